"""Experiment: every setting once, with its label, help, default, range, and the cells and tasks that have it.

Also the names that all rooms share: cells, gates, tasks, metrics.
"""

import dataclasses
import reprlib
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from functools import cache
from numbers import Integral, Real
from typing import Any, Self, get_args

from analysis.language import mark

CELLS = ("rnn", "lstm", "gru")
GATES: dict[str, tuple[str, ...]] = {  # each cell's gates, in the order of torch's weights
    "rnn": (),
    "lstm": ("input", "forget", "candidate", "output"),
    "gru": ("reset", "update", "candidate"),
}
GATED = tuple(cell for cell, gates in GATES.items() if gates)
PART_SYMBOLS = {  # a cell's vectors in formulas and drawings; ₋ is one step before; a GRU's candidate is n
    "embedded": "x",
    "hidden_before": "h₋",
    "hidden": "h",
    "cell_before": "c₋",
    "cell": "c",
    "forget": "f",
    "input": "i",
    "candidate": "g",
    "output": "o",
    "reset": "r",
    "update": "z",
}
KEEP_GATE = {"lstm": "forget", "gru": "update"}  # the gate that keeps the memory when it is open
DEFAULT_LENGTH = {
    "recall": 30,
    "adding": 50,
    "order": 50,
    "copy": 50,
    "text": 50,
    "words": 20,
    "digits": 64,
    "series": 30,
}
TASKS = tuple(DEFAULT_LENGTH)
METRICS = {
    "recall": mark("accuracy"),
    "adding": mark("mse"),
    "order": mark("accuracy"),
    "copy": mark("nats per step"),
    "text": mark("nats per character"),
    "words": mark("nats per word"),
    "digits": mark("accuracy"),
    "series": mark("mse"),
}
SERIES_METRICS = ("accuracy", "mse")  # of classes, of numbers: the file decides
TEXTS = {  # the texts that come with Goldfish, as `text_file` names them; texts/README.md names their sources
    "english": "English prose",
    "chinese": "Chinese prose",
}
TASK_HELP = mark(
    "What the network must remember. recall: the one symbol it saw; adding: the sum of two marked numbers; "
    "order: two symbols and which came first; copy: ten symbols, in order; text, words: what comes next in real prose; "
    "digits: a written digit, pixel by pixel; series: your own data."
)


@dataclass(frozen=True)
class Setting:
    """One setting of an experiment: its default, the values it accepts, and how widgets and options show it."""

    default: str | int | float | None
    label: str  # name shown to the user
    help: str  # one plain sentence, shown as tooltip
    low: float | None = None  # smallest accepted number
    high: float | None = None  # largest accepted number
    _: KW_ONLY
    step: float | None = None  # increment of a widget
    page_high: float | None = None  # largest number offered on a page, where that is less than `high`
    choices: tuple[str, ...] | None = None  # accepted words
    applies_to: tuple[str, ...] = CELLS  # cells that have this setting
    tasks: tuple[str, ...] = TASKS  # tasks that have this setting
    choice_cells: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # by choice: cells that have it
    fixed: Mapping[str, int] = field(default_factory=dict)  # by task: the one value accepted besides the default
    more: bool = False  # whether a page puts it under "More"

    def as_field(self) -> Any:  # noqa: ANN401  (a dataclass field has the type of its annotation)
        """Return a dataclass field with this default, and with the setting in its metadata."""
        return field(default=self.default, metadata={"setting": self})


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """The settings of one training: which models, on which task, trained how.

    A setting that is out of range or doesn't apply raises a ValueError, which names the accepted values.

    >>> Experiment(cell="gru", hidden_size=64).replace(seeds=8).as_dict()["seeds"]
    8
    """

    cell: str = Setting("lstm", "Cell", mark("The kind of recurrent network."), choices=CELLS).as_field()
    task: str = Setting("recall", mark("Task"), TASK_HELP, choices=TASKS).as_field()
    length: int | None = Setting(
        None, mark("Length"), mark("Number of time steps to remember over; unset, the task's own default."),
        2, 100_000, step=1, page_high=1000, fixed={"digits": DEFAULT_LENGTH["digits"]},
    ).as_field()  # fmt: skip
    symbols: int = Setting(
        8, "Symbols", "How many different symbols there are to remember.",
        2, 64, step=1, tasks=("recall", "copy"), more=True,
    ).as_field()  # fmt: skip
    position: str = Setting(
        "anywhere", "Position", "Where in the sequence the symbol to remember stands.",
        choices=("anywhere", "first"), tasks=("recall",), more=True,
    ).as_field()  # fmt: skip
    text_file: str | None = Setting(
        None, "Text file",
        "A UTF-8 file to learn from, or english or chinese, which come with Goldfish; unset, Python's help texts.",
        tasks=("text", "words"), more=True,
    ).as_field()  # fmt: skip
    data_file: str | None = Setting(
        None, "Data file",
        "Your own data: a .csv of series, whose next row is forecast, or an .npz of sequences x and their answers y.",
        tasks=("series",), more=True,
    ).as_field()  # fmt: skip
    columns: str | None = Setting(
        None, "Columns", "The columns of a .csv to read and to forecast, by name or number, with commas; unset, all.",
        tasks=("series",), more=True,
    ).as_field()  # fmt: skip
    hidden_size: int = Setting(
        32, mark("Hidden size"), mark("Number of hidden units in each layer."), 1, 512, step=1
    ).as_field()
    layers: int = Setting(1, mark("Layers"), mark("Number of recurrent layers, stacked."), 1, 4, step=1).as_field()
    activation: str = Setting(
        "tanh", "Activation",
        "What the RNN's state, the candidate of LSTM and GRU and the LSTM's cell state pass through.",
        choices=("tanh", "relu", "identity"), more=True,
    ).as_field()  # fmt: skip
    init: str = Setting(
        "default", "Initialisation", "How the recurrent weights start; chrono sets gate biases instead.",
        choices=("default", "orthogonal", "identity", "chrono"), choice_cells={"chrono": GATED},
    ).as_field()  # fmt: skip
    gain: float = Setting(
        1.0, "Gain", "Factor on the recurrent weights once initialised.", 0.1, 3, step=0.05
    ).as_field()
    forget_bias: float | None = Setting(
        None, "Forget bias", "Bias of the LSTM's forget gate or the GRU's update gate; positive keeps.",
        -10, 10, step=0.5, applies_to=GATED,
    ).as_field()  # fmt: skip
    seeds: int = Setting(
        4, mark("Seeds"), mark("Number of models, each with random numbers of its own."), 1, 64, step=1
    ).as_field()
    seed: int = Setting(
        0, "First seed", "Seed of the first model; the others count up from it.",
        0, 2**31 - 1, step=1, more=True,
    ).as_field()  # fmt: skip
    batch_size: int = Setting(32, "Batch size", "Sequences in one update.", 1, 4096, step=1, more=True).as_field()
    truncate: int | None = Setting(
        None, "Truncate", "Time steps in a window that no gradient leaves, counted from the first; the state goes on.",
        1, 100_000, step=1, more=True,
    ).as_field()  # fmt: skip
    steps: int = Setting(500, "Updates", "Number of updates in a training.", 1, 100_000, step=50).as_field()
    learning_rate: float = Setting(
        5e-3, "Learning rate", "Size of an update.", 1e-6, 1, step=1e-3, more=True,
    ).as_field()  # fmt: skip
    optimizer: str = Setting(
        "adam", "Optimizer", "The rule that turns gradients into updates.",
        choices=("adam", "sgd", "rmsprop"), more=True,
    ).as_field()  # fmt: skip
    clip: float = Setting(
        1.0, "Clip", "Largest gradient norm of a model; 0 never clips.", 0, 1000, step=0.1, more=True,
    ).as_field()  # fmt: skip
    snapshot_every: int = Setting(
        10, "Snapshot every", "Updates between two measurements.", 1, 100_000, step=1, more=True,
    ).as_field()  # fmt: skip

    def __post_init__(self) -> None:
        for name in SETTINGS:
            object.__setattr__(self, name, validated(name, getattr(self, name)))
        for name in SETTINGS:
            if reason := why_not_applicable(name, getattr(self, name), self.cell, self.task):
                raise ValueError(f"{name}={getattr(self, name)!r}: {reason}")
        if self.init == "chrono" and self.forget_bias is not None:
            raise ValueError(f"forget_bias={self.forget_bias}: init=chrono sets this bias itself")

    @property
    def task_length(self) -> int:
        """Return the length; where it is unset, the task's own default."""
        return self.length or DEFAULT_LENGTH[self.task]

    def replace(self, **changes: Any) -> Self:  # noqa: ANN401
        """Return a copy with some settings changed, checked again."""
        return dataclasses.replace(self, **changes)

    def as_dict(self) -> dict[str, str | int | float | None]:
        """Return all settings by name, ready for JSON."""
        return {name: getattr(self, name) for name in SETTINGS}

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Self:
        """Build an experiment from settings by name, with defaults for the rest; ValueError for an unknown name."""
        for name in settings:
            if name not in SETTINGS:
                raise ValueError(f"{name!r}: expected one of {', '.join(SETTINGS)}")
        return cls(**settings)


SETTINGS: dict[str, Setting] = {field.name: field.metadata["setting"] for field in dataclasses.fields(Experiment)}
_TYPES = {field.name: field.type for field in dataclasses.fields(Experiment)}


@cache
def setting_type(name: str) -> tuple[type, bool]:
    """Return the type of a setting (str, int or float), and whether None is accepted too."""
    accepted = get_args(_TYPES[name]) or (_TYPES[name],)
    return accepted[0], type(None) in accepted


def accepted_values(name: str) -> str:
    """Return what a setting accepts in words, such as "a whole number from 1 to 512"."""
    setting = SETTINGS[name]
    type_, optional = setting_type(name)
    if setting.choices:
        words = "one of " + ", ".join(setting.choices)
    elif type_ is str:
        words = "text"
    else:
        noun = "a whole number" if type_ is int else "a number"
        words = f"{noun} from {setting.low} to {setting.high}"
    return f"{words}, or None" if optional else words


def validated(name: str, value: object) -> str | int | float | None:
    """Return a setting's value as plain Python; ValueError where its type or range is wrong."""
    type_, optional = setting_type(name)
    if value is None and optional:
        return None
    valid = _is_text(value, SETTINGS[name]) if type_ is str else _is_number(value, type_, SETTINGS[name])
    if not valid:
        raise ValueError(f"{name}={reprlib.repr(value)}: expected {accepted_values(name)}")
    return type_(value)


def _is_text(value: object, setting: Setting) -> bool:
    """Return whether a value is one of the setting's choices, or any text where it has none."""
    return isinstance(value, str) and (setting.choices is None or value in setting.choices)


def _is_number(value: object, type_: type, setting: Setting) -> bool:
    """Return whether a value is a number of this type, Python's or numpy's, in the setting's range; NaN is not."""
    assert setting.low is not None and setting.high is not None, "a numeric setting has a range"
    if isinstance(value, bool) or not isinstance(value, Integral if type_ is int else Real):
        return False
    return bool(value <= setting.high) and not value < setting.low  # NaN fails the first comparison


def why_not_applicable(name: str, value: object, cell: str, task: str) -> str | None:
    """Return why a setting doesn't apply to a cell or a task; None where it does, or has its default."""
    setting = SETTINGS[name]
    if value == setting.default:
        return None
    cells = setting.choice_cells.get(value, setting.applies_to) if isinstance(value, str) else setting.applies_to
    if cell not in cells:
        return f"applies to cell {', '.join(cells)}, not {cell}"
    if task not in setting.tasks:
        return f"applies to task {', '.join(setting.tasks)}, not {task}"
    fixed = setting.fixed.get(task, value)
    return None if value == fixed else f"task {task} accepts only {fixed}"


def for_cell(settings: Mapping[str, Any], cell: str) -> tuple[Experiment, list[str]]:
    """Build one cell's experiment from settings made for several cells.

    Returns:
        The experiment, without the settings that don't apply to this cell or task, and the labels of the
        settings left out.

    Raises:
        ValueError: for a value that no cell accepts, and an unknown setting.
    """
    cell = str(validated("cell", cell))
    task = str(validated("task", settings.get("task", SETTINGS["task"].default)))

    def is_left_out(name: str, value: object) -> bool:
        return name in SETTINGS and why_not_applicable(name, validated(name, value), cell, task) is not None

    own = {name: value for name, value in settings.items() if not is_left_out(name, value)}
    labels = [SETTINGS[name].label for name in settings if name not in own]
    return Experiment.from_dict({**own, "cell": cell}), labels


def metric_names(task: str) -> tuple[str, ...]:
    """Return the names of the metrics that a task may have: one, but for series."""
    return SERIES_METRICS if task == "series" else (METRICS[task],)


def higher_is_better(metric_name: str) -> bool:
    """Return whether a larger metric is the better one."""
    return metric_name == "accuracy"
