"""Experiment: every setting once, with its label, help, range, default and what it applies to."""

import dataclasses
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Self, get_args

CELLS = ("rnn", "lstm", "gru")
GATES = {  # of each cell, in the order of torch's weights
    "rnn": (),
    "lstm": ("input", "forget", "candidate", "output"),
    "gru": ("reset", "update", "candidate"),
}
GATED = tuple(cell for cell, gates in GATES.items() if gates)
KEEP_GATE = {"lstm": "forget", "gru": "update"}  # the gate that keeps the memory where it is open
DEFAULT_LENGTH = {"recall": 30, "adding": 50, "order": 50, "copy": 50, "text": 50, "words": 20, "digits": 64}
TASKS = tuple(DEFAULT_LENGTH)
METRICS = {
    "recall": "accuracy",
    "adding": "mse",
    "order": "accuracy",
    "copy": "nats per step",
    "text": "nats per character",
    "words": "nats per word",
    "digits": "accuracy",
}
TASK_HELP = (
    "What the network must remember. recall: the one symbol it saw; adding: the sum of two marked numbers; "
    "order: two symbols and which came first; copy: ten symbols, in order; text, words: what comes next in real prose; "
    "digits: a written digit, pixel by pixel."
)


def setting(
    default: Any,  # noqa: ANN401
    label: str,
    help: str,
    low: float | None = None,
    high: float | None = None,
    *,
    step: float | None = None,
    page_high: float | None = None,
    choices: tuple[str, ...] | None = None,
    applies_to: tuple[str, ...] = CELLS,
    tasks: tuple[str, ...] = TASKS,
    choice_cells: Mapping[str, tuple[str, ...]] | None = None,
    fixed: Mapping[str, int] | None = None,
    more: bool = False,
) -> Any:  # noqa: ANN401
    """Define one setting; everything but the default becomes the field's metadata.

    Args:
        default: value when nothing is said.
        label: name shown to the user.
        help: one plain sentence, shown as tooltip.
        low: smallest accepted number.
        high: largest accepted number.
        step: increment of a widget.
        page_high: largest number offered on a page, where that is less than `high`.
        choices: accepted words.
        applies_to: cells that have this setting.
        tasks: tasks that have this setting.
        choice_cells: the cells of a choice that not every cell has.
        fixed: tasks that allow only this value (or the default).
        more: whether a page puts it under "More".
    """
    metadata = {name: value for name, value in locals().items() if name != "default"}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """What is trained, on what, and how: valid once built, else a ValueError names what is accepted.

    >>> Experiment(cell="gru", hidden_size=64).replace(seeds=8).as_dict()["seeds"]
    8
    """

    cell: str = setting("lstm", "Cell", "The kind of recurrent network.", choices=CELLS)
    task: str = setting("recall", "Task", TASK_HELP, choices=TASKS)
    length: int | None = setting(
        None, "Length", "Number of time steps to remember over; unset, the task's own default.",
        2, 100_000, step=1, page_high=1000, fixed={"digits": DEFAULT_LENGTH["digits"]},
    )  # fmt: skip
    symbols: int = setting(
        8, "Symbols", "How many different symbols there are to remember.",
        2, 64, step=1, tasks=("recall", "copy"), more=True,
    )  # fmt: skip
    position: str = setting(
        "anywhere", "Position", "Where in the sequence the symbol to remember stands.",
        choices=("anywhere", "first"), tasks=("recall",), more=True,
    )  # fmt: skip
    text_file: str | None = setting(
        None, "Text file", "A UTF-8 text to learn from; unset, the help texts that come with Python.",
        tasks=("text", "words"), more=True,
    )  # fmt: skip
    hidden_size: int = setting(32, "Hidden size", "Number of hidden units in each layer.", 1, 512, step=1)
    layers: int = setting(1, "Layers", "Number of recurrent layers, stacked.", 1, 4, step=1, more=True)
    activation: str = setting(
        "tanh", "Activation",
        "What the RNN's state, the candidate of LSTM and GRU and the LSTM's cell state pass through.",
        choices=("tanh", "relu", "identity"), more=True,
    )  # fmt: skip
    init: str = setting(
        "default", "Initialisation", "How the recurrent weights start; chrono sets gate biases instead.",
        choices=("default", "orthogonal", "identity", "chrono"), choice_cells={"chrono": GATED},
    )  # fmt: skip
    gain: float = setting(1.0, "Gain", "Factor on the recurrent weights once initialised.", 0.1, 3, step=0.05)
    forget_bias: float | None = setting(
        None, "Forget bias", "Bias of the LSTM's forget gate or the GRU's update gate; positive keeps.",
        -10, 10, step=0.5, applies_to=GATED,
    )  # fmt: skip
    seeds: int = setting(4, "Seeds", "Number of models trained together.", 1, 64, step=1)
    seed: int = setting(
        0, "First seed", "Seed of the first model; the others count up from it.",
        0, 2**31 - 1, step=1, more=True,
    )  # fmt: skip
    batch_size: int = setting(32, "Batch size", "Sequences in one training step.", 1, 4096, step=1, more=True)
    steps: int = setting(500, "Steps", "Number of training steps.", 1, 100_000, step=50)
    learning_rate: float = setting(
        5e-3, "Learning rate", "Size of a training step.", 1e-6, 1, step=1e-3, more=True,
    )  # fmt: skip
    optimizer: str = setting(
        "adam", "Optimizer", "The rule that turns gradients into steps.",
        choices=("adam", "sgd", "rmsprop"), more=True,
    )  # fmt: skip
    clip: float = setting(
        1.0, "Clip", "Largest gradient norm of a model; 0 never clips.", 0, 1000, step=0.1, more=True,
    )  # fmt: skip
    snapshot_every: int = setting(
        10, "Snapshot every", "Training steps between two measurements.", 1, 100_000, step=1, more=True,
    )  # fmt: skip

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
        """The length, or where it is unset the task's own default."""
        return self.length or DEFAULT_LENGTH[self.task]

    def replace(self, **changes: Any) -> Self:  # noqa: ANN401
        """Return a copy with some settings changed, checked again."""
        return dataclasses.replace(self, **changes)

    def as_dict(self) -> dict[str, str | int | float | None]:
        """Return all settings by name, ready for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Self:
        """Build an experiment from settings by name; what is missing keeps its default."""
        for name in settings:
            if name not in SETTINGS:
                raise ValueError(f"{name!r}: expected one of {', '.join(SETTINGS)}")
        return cls(**settings)


SETTINGS = {definition.name: definition for definition in dataclasses.fields(Experiment)}


def setting_type(name: str) -> tuple[type, bool]:
    """Return the type of a setting (str, int or float), and whether None is accepted too."""
    accepted = get_args(SETTINGS[name].type) or (SETTINGS[name].type,)
    return accepted[0], type(None) in accepted


def accepted_values(name: str) -> str:
    """Say in words what a setting accepts, such as "a whole number from 1 to 512"."""
    about = SETTINGS[name].metadata
    type_, optional = setting_type(name)
    if about["choices"]:
        words = "one of " + ", ".join(about["choices"])
    elif type_ is str:
        words = "text"
    else:
        noun = "a whole number" if type_ is int else "a number"
        words = f"{noun} from {about['low']} to {about['high']}"
    return words + ", or None" * optional


def validated(name: str, value: Any) -> str | int | float | None:  # noqa: ANN401
    """Return a setting's value as a plain Python one; ValueError where its type or range is wrong."""
    about = SETTINGS[name].metadata
    type_, optional = setting_type(name)
    if value is None and optional:
        return None
    if type_ is str:
        valid = isinstance(value, str) and (about["choices"] is None or value in about["choices"])
    else:
        number = isinstance(value, Integral if type_ is int else Real) and not isinstance(value, bool)
        valid = number and about["low"] <= value <= about["high"]  # False for NaN
    if not valid:
        raise ValueError(f"{name}={reprlib.repr(value)}: expected {accepted_values(name)}")
    return type_(value)


def why_not_applicable(name: str, value: Any, cell: str, task: str) -> str | None:  # noqa: ANN401
    """Say why a setting doesn't apply to a cell or a task; None where it does, or has its default."""
    about = SETTINGS[name].metadata
    cells = (about["choice_cells"] or {}).get(value, about["applies_to"])
    fixed = (about["fixed"] or {}).get(task, value)
    if value == SETTINGS[name].default:
        return None
    if cell not in cells:
        return f"applies to cell {', '.join(cells)}, not {cell}"
    if task not in about["tasks"]:
        return f"applies to task {', '.join(about['tasks'])}, not {task}"
    return None if value == fixed else f"task {task} accepts only {fixed}"


def for_cell(settings: Mapping[str, Any], cell: str) -> tuple[Experiment, list[str]]:
    """Build one cell's experiment from settings made for several.

    Returns the experiment without what doesn't apply to this cell or task, and the labels of the rest.
    """
    cell, task = validated("cell", cell), validated("task", settings.get("task", SETTINGS["task"].default))

    def left_out(name: str, value: Any) -> bool:  # noqa: ANN401
        return name in SETTINGS and why_not_applicable(name, validated(name, value), cell, task) is not None

    own = {name: value for name, value in settings.items() if not left_out(name, value)}
    labels = [SETTINGS[name].metadata["label"] for name in settings if name not in own]
    return Experiment.from_dict({**own, "cell": cell}), labels


def higher_is_better(metric_name: str) -> bool:
    """Whether a larger metric is the better one."""
    return metric_name == "accuracy"


def read_text(text_file: str | None) -> tuple[str, str]:
    """Return a file's text, or the help texts that every Python carries, and the SHA-256 of its bytes."""
    if text_file is None:
        from pydoc_data.topics import topics

        content = "\n".join(topics[name] for name in sorted(topics)).encode()
    else:
        try:
            content = Path(text_file).read_bytes()
        except (OSError, ValueError) as error:  # ValueError: a null character in the name
            reason = getattr(error, "strerror", None) or error
            raise ValueError(f"text_file={text_file!r}: expected a UTF-8 file: {reason}") from None
    try:
        return content.decode(), sha256(content).hexdigest()
    except UnicodeDecodeError as error:
        reason = f"{error.reason} at byte {error.start}"
        raise ValueError(f"text_file={text_file!r}: expected UTF-8: {reason}") from None
