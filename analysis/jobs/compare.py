"""Compare cells fairly: train what a plan asks for, here and now or on a page's workers, and judge what came out."""

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

from analysis.comparison import Comparison
from analysis.experiment import Experiment
from analysis.jobs.campaign import Campaign
from analysis.jobs.fairness import counted, known_pace, measure_pace, pilots
from analysis.jobs.judgement import judge
from analysis.jobs.outcome import Failed, OnProgress
from analysis.jobs.pool import Jobs
from analysis.jobs.sweep import open_pool, sweep
from analysis.plan import Plan
from analysis.results import Measured, Run


def compare(
    plan: Plan | Mapping[str, Any],
    executor: Executor | None = None,
    store: str | Path | None = None,
    on_result: Callable[[Run | Failed], None] | None = None,
    on_progress: OnProgress | None = None,
) -> Comparison:
    """Train what a plan asks for, and return what came out.

    Each cell's learning rate is chosen first, on seeds that aren't counted, if the plan offers several. Finished runs
    of the history aren't trained again.

    Args:
        plan: what is compared on which terms; a mapping is the settings of one.
        executor, store, on_result, on_progress: as those of `sweep`; the last two also get the runs that choose
            learning rates.

    Raises:
        ValueError: where the plan can't be used, and as `sweep`.

    For example `compare({"cell": ["lstm", "gru"], "length": [10, 20], "steps": 80}).verdicts`.
    """
    plan = with_pace(plan if isinstance(plan, Plan) else Plan(plan), store)
    tried = sweep(pilots(plan), executor, store, on_result, on_progress)
    runs = [run for run in tried if isinstance(run, Run)]
    return judge(plan, [*tried, *sweep(counted(plan, runs), executor, store, on_result, on_progress)])


def with_pace(plan: Plan, store: str | Path | None = None) -> Plan:
    """Return a plan with the milliseconds of an update of each setting: the history's, else measured now and kept."""
    with open_pool(store, workers=0) as jobs:
        return measure_pace(plan, jobs.history)


class Comparing:
    """A comparison that a pool trains in a thread, for a page that asks how far it is; it finds what `compare` does.

    The milliseconds of an update are measured first, one setting at a time.
    """

    def __init__(self, jobs: Jobs, plan: Plan) -> None:
        self._jobs = jobs
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

    def look(self) -> None:
        """Take over what the history holds of it; train nothing.

        Raises ValueError for a file that can't be learned from.
        """
        self.plan = known_pace(self.plan, self._jobs.history)
        self.campaign.look()

    def measure(self, stop: Event | None = None) -> None:
        """Measure the milliseconds of an update of each setting, one at a time; those of the history stay."""
        self.plan = measure_pace(self.plan, self._jobs.history, stop.is_set if stop else lambda: False)

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
