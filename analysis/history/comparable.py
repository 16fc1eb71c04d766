"""Runs that can be compared: the same task and settings, another cell."""

from collections.abc import Iterable
from dataclasses import dataclass

from analysis.experiment import CELLS, GATED, Experiment

Settings = tuple[tuple[str, object], ...]
Members = dict[str, tuple[int, str, Experiment]]  # by cell: its place among all runs, its id, its experiment
NOT_COMPARED = ("cell", "snapshot_every")  # settings in which runs of one group may differ


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
    gated: dict[Settings, Members] = {}
    plain: dict[Settings, Members] = {}
    for place, (id, experiment) in enumerate(runs):
        groups = gated if experiment.cell in GATED else plain
        groups.setdefault(_settings(experiment), {}).setdefault(experiment.cell, (place, id, experiment))
    joined = [members | plain.get(_without_gates(settings), {}) for settings, members in gated.items()]
    beside = set(map(_without_gates, gated))
    joined += [members for settings, members in plain.items() if settings not in beside]
    joined.sort(key=lambda members: min(place for place, _, _ in members.values()))
    return [_group(members) for members in joined]


def _group(members: Members) -> Group:
    """Return the group of some cells' runs."""
    ordered = {cell: members[cell] for cell in CELLS if cell in members}
    return Group(
        experiments={cell: experiment for cell, (_, _, experiment) in ordered.items()},
        ids={cell: id for cell, (_, id, _) in ordered.items()},
    )


def _settings(experiment: Experiment) -> Settings:
    """Return all settings that compared runs must share."""
    settings = experiment.as_dict() | {"length": experiment.task_length}
    return tuple((name, value) for name, value in settings.items() if name not in NOT_COMPARED)


def _without_gates(settings: Settings) -> Settings:
    """Return settings as an RNN has them."""
    values = dict(settings) | {"forget_bias": None}
    return tuple((values | ({"init": "default"} if values["init"] == "chrono" else {})).items())
