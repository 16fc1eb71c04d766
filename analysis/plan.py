"""What a comparison compares, and on which terms: a grid of settings, checked whole. Trains nothing.

A `Plan` is valid once built. Its settings are those of an experiment, where a list of values is an axis of the grid.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import inf
from typing import Any, TypeGuard

import numpy as np

from analysis.experiment import CELLS, SETTINGS, TASKS, Experiment, for_cell, validated, why_not_applicable
from analysis.sources import with_own_length

EQUAL = ("hidden_size", "parameters", "time")  # what all cells of a comparison get the same of
FURTHER = 2  # axes that a plan may have besides cells and lengths
MOST_ROWS = 1000  # settings that a plan may have


@dataclass(frozen=True)
class Plan:
    """What is compared, and on which terms.

    Raises:
        ValueError: for the first entry that can't be used, with its name and what is accepted.

    >>> plan = Plan({"cell": ["lstm", "gru"], "length": [10, 20], "steps": 80}, equal="parameters")
    >>> list(plan.axes), len(plan.experiments())
    (['cell', 'length'], 4)
    """

    settings: Mapping[str, Any]  # of the experiments by name; a list or tuple of values is an axis
    equal: str = "hidden_size"  # one of EQUAL
    learning_rates: Sequence[float] = ()  # from which each cell's is chosen on seeds of their own; none: one for all
    ms_per_step: Sequence[float] = ()  # of each experiment, measured one at a time; none: not measured yet

    def __post_init__(self) -> None:
        about = {"equal": self.equal, "learning_rates": self.learning_rates, "ms_per_step": self.ms_per_step}
        for _table, _name, problem in plan_problems(self.settings, about):
            raise ValueError(problem)
        object.__setattr__(self, "settings", {name: _plain(name, value) for name, value in self.settings.items()})
        object.__setattr__(self, "learning_rates", tuple(map(float, self.learning_rates)))
        object.__setattr__(self, "ms_per_step", tuple(map(float, self.ms_per_step)))

    @property
    def axes(self) -> dict[str, tuple]:
        """Return the settings that have several values, by name."""
        return {name: value for name, value in self.settings.items() if isinstance(value, tuple)}

    @property
    def cells(self) -> tuple[str, ...]:
        """Return the cells, in the order in which the plan names them."""
        return tuple(dict.fromkeys(experiment.cell for experiment in self.experiments()))

    def experiments(self) -> list[Experiment]:
        """Return one experiment for each combination, before sizes, updates and learning rates are made fair.

        A setting is left out for a cell that doesn't have it; equal experiments are there once.
        """
        return list(self._grid[0])

    @property
    def left_out(self) -> tuple[str, ...]:
        """Return what is left out of the grid, and why, one phrase each."""
        return self._grid[1]

    @cached_property
    def _grid(self) -> tuple[list[Experiment], tuple[str, ...]]:
        return _combinations(self.settings)


def plan_problems(settings: Mapping[str, Any], comparison: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield what a plan can't use: the table, settings or comparison, the entry's name, and the problem in words."""
    sound = True
    for name, value in settings.items():
        for problem in _setting_problems(name, value, settings):
            sound = False
            yield "settings", name, problem
    further = [n for n, v in settings.items() if _is_list(v) and len(v) > 1 and n not in ("cell", "length")]
    for name in further[FURTHER:]:
        yield "settings", name, f"{name}: expected at most {FURTHER} lists besides cell and length"
    for name, problem in _comparison_problems(settings, comparison):
        yield "comparison", name, problem
    if sound and not further[FURTHER:]:
        yield from _grid_problems(settings, comparison)


def _setting_problems(name: str, value: object, settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with one entry of the settings: its name, its values, or that no cell or task has it."""
    if name not in SETTINGS:
        yield f"{name!r}: expected one of {', '.join(SETTINGS)}"
        return
    values = list(value) if _is_list(value) else [value]
    if not values:
        yield f"{name}=[]: expected at least one value"
    wrong = [problem for each in values if (problem := _wrong(name, each))]
    yield from wrong
    if wrong:
        return
    if len({*values}) < len(values):
        yield f"{name}={values}: expected each value once"
    cells = [cell for cell in _values(settings, "cell") if cell in CELLS] or CELLS
    tasks = [task for task in _values(settings, "task") if task in TASKS] or TASKS
    for each in values:
        reasons = [why_not_applicable(name, each, cell, task) for cell in cells for task in tasks]
        if all(reasons):
            yield f"{name}={each!r}: {reasons[0]}"


def _comparison_problems(settings: Mapping[str, Any], comparison: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield names and problems of what isn't a setting of an experiment."""
    for name, value in comparison.items():
        if name == "equal":
            if value not in EQUAL:
                yield name, f"equal={value!r}: expected one of {', '.join(EQUAL)}"
        elif name == "learning_rates":
            yield from ((name, problem) for problem in _rate_problems(settings, value))
        elif name == "ms_per_step":
            if not _is_list(value) or not all(_is_positive(each) for each in value):
                yield name, f"ms_per_step={value!r}: expected a list of positive numbers"
        else:
            yield name, f"{name!r}: expected one of equal, learning_rates, ms_per_step"


def _rate_problems(settings: Mapping[str, Any], rates: object) -> Iterator[str]:
    """Yield what is wrong with the learning rates to choose from."""
    if not _is_list(rates):
        yield f"learning_rates={rates!r}: expected a list of numbers"
        return
    wrong = [problem for rate in rates if (problem := _wrong("learning_rate", rate))]
    yield from wrong
    if not wrong and (len({*rates}) < len(rates) or len(rates) == 1):
        yield f"learning_rates={[*rates]}: expected two or more different ones, or none for one rate of all cells"
    if rates and _is_list(settings.get("learning_rate")):
        yield "learning_rates: expected none where learning_rate is a list itself"


def _grid_problems(settings: Mapping[str, Any], comparison: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield what is wrong with the grid as a whole, whose entries are sound each."""
    count = int(np.prod([len(_values(settings, name)) for name in settings], dtype=float))
    if count > MOST_ROWS:
        longest = max(settings, key=lambda name: len(_values(settings, name)))
        yield "settings", longest, f"{count:,} settings: expected at most {MOST_ROWS:,}"
        return
    experiments, left_out = _combinations(settings)
    pace = comparison.get("ms_per_step", ())
    if not experiments:
        yield "settings", left_out[0].partition("=")[0], left_out[0]
    elif _is_list(pace) and len(pace) not in (0, len(experiments)):
        yield "comparison", "ms_per_step", f"{len(pace)} ms_per_step: expected {len(experiments)}, one for each setting"


def _combinations(settings: Mapping[str, Any]) -> tuple[list[Experiment], tuple[str, ...]]:
    """Return the experiments of a grid, and what is left out of it."""
    experiments: dict[Experiment, None] = {}
    left_out: dict[str, None] = {}
    names = [name for name in settings if name != "cell"]
    for cell in _values(settings, "cell"):
        for values in product(*(_values(settings, name) for name in names)):
            try:
                experiment, labels = for_cell(dict(zip(names, values, strict=True)), cell)
            except ValueError as error:  # settings that exclude each other
                left_out[str(error)] = None
                continue
            experiments[with_own_length(experiment)] = None
            combination = {SETTINGS[name].label: _short(value) for name, value in zip(names, values, strict=True)}
            left_out.update({f"{label} {combination[label]} for the {cell.upper()}": None for label in labels})
    return list(experiments), tuple(left_out)


def _values(settings: Mapping[str, Any], name: str) -> tuple:
    """Return the values of a setting, one or several."""
    value = settings.get(name, SETTINGS[name].default if name in SETTINGS else None)
    return tuple(value) if _is_list(value) else (value,)


def _plain(name: str, value: object) -> object:
    """Return one entry's values as plain Python; a list of one value is that value."""
    values = tuple(validated(name, each) for each in value) if _is_list(value) else (validated(name, value),)
    return values if len(values) > 1 else values[0]


def _short(value: object) -> str:
    """Return a value for a phrase."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _wrong(name: str, value: object) -> str:
    """Return why a setting can't have a value, or ""."""
    try:
        validated(name, value)
    except ValueError as error:
        return str(error)
    return ""


def _is_list(value: object) -> TypeGuard[list | tuple]:
    return isinstance(value, list | tuple)


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < inf
