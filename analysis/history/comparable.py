"""Runs that can be compared: the same task and settings, another cell."""

from collections.abc import Iterable
from dataclasses import dataclass

from analysis.experiment import CELLS, GATED, Experiment

Settings = tuple[tuple[str, object], ...]
NOT_COMPARED = ("cell", "snapshot_every")  # settings in which runs of one group may differ
OF_GATES = ("init", "forget_bias")  # what of them only a cell with gates can have


@dataclass(frozen=True)
class Group:
    """Runs of one task with the same settings: of each cell the newest, by cell in the order of CELLS."""

    experiments: dict[str, Experiment]
    ids: dict[str, str]

    @property
    def first(self) -> Experiment:
        """The experiment of a cell that has gates, as it has all settings; the RNN's where it stands alone."""
        return next((each for cell, each in self.experiments.items() if cell in GATED), self.experiments[min(self.ids)])


def group_comparable(runs: Iterable[tuple[str, Experiment]]) -> list[Group]:
    """Group runs, as ids and experiments with the newest first, by task and settings; the newest group first.

    An RNN has no gates: it is compared with the others however their gates start, if all else is the same.
    """
    found = list(runs)
    gated = {_settings(each): None for _, each in found if each.cell in GATED}
    shared = {_without_gates(settings) for settings in gated}
    alone = {_settings(each): None for _, each in found if each.cell not in GATED and _settings(each) not in shared}
    groups = []
    for settings in [*gated, *alone]:
        members = {}
        for place, (id, each) in enumerate(found):
            same = _settings(each) == (settings if each.cell in GATED else _without_gates(settings))
            if same and each.cell not in members:
                members[each.cell] = (place, id, each)
        ordered = {cell: members[cell] for cell in CELLS if cell in members}
        newest = min(place for place, _, _ in ordered.values())
        group = Group(
            {cell: each for cell, (_, _, each) in ordered.items()}, {c: id for c, (_, id, _) in ordered.items()}
        )
        groups.append((newest, group))
    return [group for _, group in sorted(groups, key=lambda pair: pair[0])]


def _settings(experiment: Experiment) -> Settings:
    """Return all settings that compared runs must share."""
    settings = experiment.as_dict() | {"length": experiment.task_length}
    return tuple((name, value) for name, value in settings.items() if name not in NOT_COMPARED)


def _without_gates(settings: Settings) -> Settings:
    """Return settings as an RNN has them."""
    values = dict(settings) | {"forget_bias": None}
    return tuple((values | ({"init": "default"} if values["init"] == "chrono" else {})).items())
