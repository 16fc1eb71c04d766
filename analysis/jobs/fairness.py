"""What makes a comparison fair: equal sizes or times of the cells, and a learning rate of its own for each."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from math import nan
from statistics import median
from time import thread_time

import numpy as np

from analysis.comparison import Fairness
from analysis.engine.cost import count_cost, require_memory
from analysis.engine.unroll import one_thread
from analysis.experiment import SETTINGS, Experiment, higher_is_better
from analysis.history.fallback import FallbackStore
from analysis.plan import Plan
from analysis.results import Run
from analysis.tasks.registry import build_task
from analysis.tasks.task import Task
from analysis.training.trainer import Trainer

PILOT_SEEDS = 2  # on which a learning rate is chosen
SPREAD = 1.02  # the most parameters that a cell may have, as a multiple of the fewest
LARGEST = int(SETTINGS["hidden_size"].high or 0)
EQUAL_TIMES = 1.05  # the longest, as a multiple of the shortest, where nothing limits the updates
MOST_UPDATES = int(SETTINGS["steps"].high or 0)
WITHOUT_COST = ("init", "gain", "forget_bias", "seed", "learning_rate", "clip", "steps", "snapshot_every")  # per update
TIMED_SECONDS, FEWEST_TIMED, MOST_TIMED = 0.3, 5, 50  # updates of one experiment when its pace is measured


def measure_pace(plan: Plan, history: FallbackStore | None = None, stopped: Callable[[], bool] = lambda: False) -> Plan:
    """Return the plan with the milliseconds of one update of each experiment, measured one at a time.

    A plan that has them already is returned as it is, and what a history holds of them is taken from there: the same
    times give the same numbers of updates again. What is measured is kept in the history. A plan whose measuring is
    stopped is returned as it is.

    Raises:
        ValueError: for an experiment that would not fit in memory, or whose text can't be used.
    """
    plan = known_pace(plan, history) if history else plan
    if plan.ms_per_step:
        return plan
    timed, ms = _timed(plan), list[float]()
    different = [*dict.fromkeys(timed)]
    for experiment in different:
        if stopped():
            return plan
        ms.append(_update_ms(experiment))
    return _with_ms(plan, timed, history.keep_paces(different, ms) if history else ms)


def known_pace(plan: Plan, history: FallbackStore) -> Plan:
    """Return the plan with the milliseconds that a history holds of it; the plan as it is where there are none."""
    timed = [] if plan.ms_per_step else _timed(plan)
    ms = history.find_paces([*dict.fromkeys(timed)]) if timed else None
    return _with_ms(plan, timed, ms) if ms else plan


def _timed(plan: Plan) -> list[Experiment]:
    """Return an experiment for each of a plan's, the same for those of which an update costs the same."""
    plainest = {name: SETTINGS[name].default for name in WITHOUT_COST}
    return [experiment.replace(**plainest) for experiment in _equal_in_size(plan)]


def _with_ms(plan: Plan, timed: Sequence[Experiment], ms: Sequence[float]) -> Plan:
    """Return a plan with the milliseconds of what was timed, each different experiment once."""
    paces = dict(zip(dict.fromkeys(timed), ms, strict=True))
    return replace(plan, ms_per_step=[paces[experiment] for experiment in timed])


def _update_ms(experiment: Experiment) -> float:
    """Return the milliseconds that a core takes for one update of all seeds: the quickest of several.

    Other programs only prolong them; time that these have the core for isn't counted.
    """
    task = build_task(experiment)
    require_memory(experiment, task, training=True)
    with one_thread():
        trainer = Trainer(experiment, task)
        trainer.advance()  # prepares what later updates reuse
        times: list[float] = []
        while len(times) < FEWEST_TIMED or (sum(times) < TIMED_SECONDS and len(times) < MOST_TIMED):
            started = thread_time()
            trainer.advance()
            times.append(thread_time() - started)
    return 1e3 * min(times)


def equalize(plan: Plan) -> list[Experiment]:
    """Return a plan's experiments, with what its cells get the same of made equal.

    With equal time, a faster cell makes more updates; the slowest cell's stay as they are. Multiples are rounded to a
    tenth, so that small differences of two measurements don't change them.

    Raises:
        ValueError: for equal time where the plan has no `ms_per_step` yet, and equal parameters that can't be had.
    """
    experiments = _equal_in_size(plan)
    if plan.equal != "time":
        return experiments
    if not plan.ms_per_step:
        raise ValueError("equal=time: expected a plan with ms_per_step, which measure_pace adds")
    return [
        experiment.replace(steps=min(MOST_UPDATES, round(experiment.steps * round(slowest / own, 1))))
        for experiment, (own, slowest) in zip(experiments, _paces(plan, experiments), strict=True)
    ]


def _paces(plan: Plan, experiments: Sequence[Experiment]) -> list[tuple[float, float]]:
    """Return the milliseconds of an update of each experiment's cell, and of the slowest cell on the same."""
    paces: dict[Experiment, dict[str, list[float]]] = {}  # by what is trained, then by cell
    for experiment, ms in zip(experiments, plan.ms_per_step, strict=True):
        paces.setdefault(_apart_from_cell(experiment), {}).setdefault(experiment.cell, []).append(ms)
    by_cell = {same: {cell: median(every) for cell, every in own.items()} for same, own in paces.items()}
    found = [(experiment.cell, by_cell[_apart_from_cell(experiment)]) for experiment in experiments]
    return [(own[cell], max(own.values())) for cell, own in found]


def _compare_times(plan: Plan) -> tuple[float, tuple[str, ...]]:
    """Return by how much the times of cells differ that are to be equal, as a share, and who gets clearly less.

    The latter would need more updates than a training may have. NaN where times aren't equal, or not measured yet.
    """
    if plan.equal != "time" or not plan.ms_per_step:
        return nan, ()
    planned = _equal_in_size(plan)
    shares, capped = [1.0], dict[str, float]()
    for before, after, (own, slowest) in zip(planned, equalize(plan), _paces(plan, planned), strict=True):
        share = after.steps * own / (before.steps * slowest)
        if after.steps == MOST_UPDATES:
            name = f"{after.cell.upper()} at length {after.task_length}"
            capped[name] = min(share, capped.get(name, 1.0))
        else:
            shares.append(share)
    said = (f"{name} for {100 * share:.0f} % of it" for name, share in capped.items() if share < 1 / EQUAL_TIMES)
    return max(shares) / min(shares) - 1, tuple(said)


def _apart_from_cell(experiment: Experiment) -> Experiment:
    """Return an experiment without its cell, and without settings that only some cells have."""
    return experiment.replace(cell="lstm", init="default", forget_bias=None)


def _equal_in_size(plan: Plan) -> list[Experiment]:
    """Return a plan's experiments, with hidden sizes for equal parameters where it asks for these."""
    experiments = plan.experiments()
    if plan.equal != "parameters":
        return experiments
    sizes: dict[tuple[int | None, ...], dict[str, int]] = {}  # by all that parameters depend on
    sized = []
    for experiment in experiments:
        task, size = build_task(experiment), experiment.hidden_size
        key = (size, experiment.layers, task.inputs, task.outputs, task.vocabulary)
        if key not in sizes:
            sizes[key] = equal_sizes(plan.cells, size, experiment.layers, task)
        sized.append(experiment.replace(hidden_size=sizes[key][experiment.cell]))
    return sized


def equal_sizes(cells: Sequence[str], hidden_size: int, layers: int, task: Task) -> dict[str, int]:
    """Return a hidden size for each cell, so that none has over 2 % more parameters than another.

    The cell with the most parameters keeps the hidden size, or the nearest one for which there are such sizes.

    Raises:
        ValueError: where there are none.
    """
    counts = {cell: _parameters(cell, layers, task) for cell in cells}
    largest = max(cells, key=lambda cell: counts[cell][hidden_size - 1])
    for size in sorted(range(1, LARGEST + 1), key=lambda size: abs(size - hidden_size)):
        target = counts[largest][size - 1]
        sizes = {cell: int(np.abs(counts[cell] - target).argmin()) + 1 for cell in cells} | {largest: size}
        parameters = [counts[cell][own - 1] for cell, own in sizes.items()]
        if max(parameters) <= SPREAD * min(parameters):
            return sizes
    raise ValueError(f"equal=parameters: no hidden sizes up to {LARGEST} give {', '.join(cells)} equally many")


def _parameters(cell: str, layers: int, task: Task) -> np.ndarray:
    """Return the parameters of one model by hidden size, from 1 on, (LARGEST,).

    They are a polynomial of the second degree in the hidden size, so three counts give all.
    """
    one, two, three = (
        count_cost(Experiment(cell=cell, layers=layers, hidden_size=size), task)["parameters"] for size in (1, 2, 3)
    )
    above = np.arange(LARGEST)
    return one + (two - one) * above + (three - 2 * two + one) * (above * (above - 1) // 2)


def pilots(plan: Plan) -> list[Experiment]:
    """Return the trainings from which each cell's learning rate is chosen, each once; none if all cells have the same.

    They have seeds of their own, and the middle one of the plan's lengths.
    """
    first = _first_pilot_seed(plan)
    every = (
        experiment.replace(seed=first, seeds=PILOT_SEEDS, learning_rate=rate)
        for experiment in _at_pilot_length(equalize(plan))
        for rate in plan.learning_rates
    )
    return [*dict.fromkeys(every)]


def _first_pilot_seed(plan: Plan) -> int:
    """Return a first seed from which on no seed is counted."""
    experiments = plan.experiments()
    after = max(experiment.seed + experiment.seeds for experiment in experiments)
    if after + PILOT_SEEDS <= int(SETTINGS["seed"].high or 0):
        return after
    return max(0, min(experiment.seed for experiment in experiments) - PILOT_SEEDS)


def _at_pilot_length(experiments: Sequence[Experiment]) -> list[Experiment]:
    """Return those with the middle one of the lengths that there are of their task; the longer of two."""
    lengths: dict[str, set[int]] = {}
    for experiment in experiments:
        lengths.setdefault(experiment.task, set()).add(experiment.task_length)
    middle = {task: sorted(of_task)[len(of_task) // 2] for task, of_task in lengths.items()}
    return [experiment for experiment in experiments if experiment.task_length == middle[experiment.task]]


def choose_rates(plan: Plan, pilot_runs: Iterable[Run]) -> dict[str, float]:
    """Return each cell's learning rate, as its pilots have shown so far.

    The best solves the task in the most seeds, then in the fewest updates, then has the best metric; of equal ones it
    is the plan's first, in whatever order they ended. A cell of which there is no pilot yet isn't there.
    """
    runs = {run.experiment: run for run in pilot_runs}
    scores: dict[tuple[str, float], list[tuple[float, float, float]]] = {}
    for experiment in pilots(plan):
        if experiment in runs:
            scores.setdefault((experiment.cell, experiment.learning_rate), []).append(_score(runs[experiment]))
    chosen: dict[str, float] = {}
    for cell in plan.cells:
        tried = {rate: tuple(np.mean(own, axis=0)) for (of, rate), own in scores.items() if of == cell}
        if tried:
            chosen[cell] = max(tried, key=lambda rate: tried[rate])
    return chosen


def _score(run: Run) -> tuple[float, float, float]:
    """Return how many seeds solve the task, minus the updates this takes in all, and how far the metric is from chance.

    A model that diverged counts as one at chance.
    """
    gain = run.metric - run.chance if higher_is_better(run.metric_name) else run.chance - run.metric
    solved = solved_models(run)
    updates = np.where(solved, steps_to_solve(run), run.experiment.steps)
    return (
        float(solved.sum()),
        -float(updates.sum()),
        float(np.nan_to_num(gain, nan=0.0).sum() / (abs(run.chance) or 1)),
    )


def solved_models(run: Run) -> np.ndarray:
    """Return which models of a run solve its task on the evaluation sequences, (S,); none where nothing counts so."""
    return _reaches(run.metric, run)


def steps_to_solve(run: Run) -> np.ndarray:
    """Return after how many updates each model's metric in training first counted as solved, (S,).

    NaN for a model that doesn't solve the task at the end. It is known as exactly as snapshots are taken.
    """
    solved, steps = solved_models(run), np.full(len(run.metric), float(run.experiment.steps))
    for snapshot in reversed(run.snapshots):
        steps[_reaches(snapshot.metric, run)] = snapshot.step
    return np.where(solved, steps, np.nan)


def _reaches(metric: np.ndarray, run: Run) -> np.ndarray:
    """Return which metrics count as solved in a run's task; NaN does not, and none does where nothing counts so."""
    if run.solved is None:
        return np.zeros(len(metric), bool)
    return metric >= run.solved if higher_is_better(run.metric_name) else metric <= run.solved


def counted(plan: Plan, pilot_runs: Iterable[Run] = ()) -> list[Experiment]:
    """Return the trainings that a comparison counts, with the learning rates that the pilots have chosen.

    A cell without a pilot so far has the plan's own.
    """
    rates = choose_rates(plan, pilot_runs)
    return [
        experiment.replace(learning_rate=rates.get(experiment.cell, experiment.learning_rate))
        for experiment in equalize(plan)
    ]


def describe_fairness(plan: Plan, runs: Sequence[Run], tried: Iterable[Experiment]) -> Fairness:
    """Return on which terms a plan compares, as far as runs have settled them; `tried` has also those that failed."""
    planned = pilots(plan)
    time_spread, capped = _compare_times(plan)
    settled = {*tried} >= {*planned}
    own = {e.cell: e.learning_rate for e in plan.experiments() if "learning_rate" not in plan.axes}
    rates = choose_rates(plan, runs) if planned else own
    return Fairness(
        equal=plan.equal,
        settled=settled,
        learning_rates=rates if settled else {},
        offered=tuple(plan.learning_rates) if planned else (),
        pilot_seeds=PILOT_SEEDS if planned else 0,
        pilot_lengths=tuple(sorted({experiment.task_length for experiment in planned})),
        measured_alone=bool(plan.ms_per_step),
        left_out=plan.left_out,
        time_spread=time_spread,
        capped=capped,
    )
