"""A comparison that a pool of workers trains, for a page that asks how far it is."""

from collections.abc import Mapping
from dataclasses import replace
from threading import Event

from analysis.comparison import Comparison, Plan
from analysis.experiment import Experiment
from analysis.jobs.campaign import Campaign
from analysis.jobs.compare import judge
from analysis.jobs.fairness import counted, measure_pace, pilots
from analysis.jobs.outcome import Failed
from analysis.jobs.pool import Jobs
from analysis.results import Measured, Run


class Comparing:
    """Train a plan's pilots, then what is counted with the learning rates they chose, in a campaign.

    The milliseconds of an update are measured first, one setting at a time.
    """

    def __init__(self, jobs: Jobs, plan: Plan) -> None:
        self.asked = plan
        self.plan = plan  # with what was measured, once it is
        self.campaign = Campaign(jobs, self._wanted, self.measure, _slim)
        self._judged: tuple[object, Comparison] | None = None  # what the last judgement rests on, and the judgement

    @property
    def measured(self) -> bool:
        """Whether it is known what is trained: equal times need the pace of every setting."""
        return self.plan.equal != "time" or bool(self.plan.ms_per_step)

    def pilots(self) -> list[Experiment]:
        """Return the trainings that choose learning rates, as far as they are known."""
        return pilots(self.plan) if self.measured else []

    def expected(self) -> list[Experiment]:
        """Return all trainings, those that pilots settle with the plan's own learning rate until then."""
        plan, runs = self._settled_plan(), [*self.campaign.runs.values()]
        return [*dict.fromkeys([*pilots(plan), *counted(plan, runs)])]

    def judge(self) -> Comparison:
        """Return what came out, as far as it has got."""
        runs, given_up = [*self.campaign.runs.values()], [*self.campaign.given_up.items()]
        rests_on = (self.plan, len(runs), len(given_up))
        if self._judged is None or self._judged[0] != rests_on:
            failed = [Failed(experiment, reason) for experiment, reason in given_up]
            judged = judge(self._settled_plan(), [*runs, *failed])
            fairness = replace(judged.fairness, equal=self.plan.equal)
            self._judged = rests_on, replace(judged, plan=self.plan, fairness=fairness)
        return self._judged[1]

    def _settled_plan(self) -> Plan:
        """Return the plan; where times are to be equal and aren't measured yet, with equally many updates instead."""
        return self.plan if self.measured else replace(self.plan, equal="hidden_size")

    def measure(self, stop: Event | None = None) -> None:
        """Measure the milliseconds of an update of each setting, one at a time; those that are known stay."""
        self.plan = measure_pace(self.plan, stop.is_set if stop else lambda: False)

    def _wanted(self, runs: Mapping[Experiment, Run]) -> list[Experiment]:
        """Return the pilots, and once all are trained what is counted too."""
        if not self.measured:
            return []
        first = pilots(self.plan)
        if not all(experiment in runs or experiment in self.campaign.given_up for experiment in first):
            return first
        return [*first, *counted(self.plan, [runs[experiment] for experiment in first if experiment in runs])]


def _slim(run: Run) -> Run:
    """Return a run with only what a judgement reads: of a long sequence that is a small part of it."""

    def slim(measured: Measured) -> Measured:
        return replace(measured, decays={"memory": measured.decay}, saturation={})

    after = slim(run.measured_after)
    snapshots = tuple(
        replace(each, decay=after.decay, saturation={}, bounds=after.bounds)  # these are there once
        for each in run.snapshots
    )
    return replace(
        run, weights={}, snapshots=snapshots, measured_before=slim(run.measured_before), measured_after=after
    )
