"""Train many experiments, on this machine's workers or on any executor; finished runs of the history are reused."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import closing, contextmanager
from math import inf
from pathlib import Path

from analysis.experiment import Experiment
from analysis.history.database import StoreError
from analysis.history.transfer import read_key
from analysis.jobs.campaign import Campaign
from analysis.jobs.cluster import Cluster, ClusterCrew
from analysis.jobs.estimate import Forecast
from analysis.jobs.executors import ExecutorCrew, train_by_crew
from analysis.jobs.outcome import Failed, OnProgress, result_of
from analysis.jobs.pool import Jobs
from analysis.results import Run


def sweep(
    experiments: Iterable[Experiment],
    executor: Executor | None = None,
    store: str | Path | None = None,
    on_result: Callable[[Run | Failed], None] | None = None,
    on_progress: OnProgress | None = None,
) -> list[Run | Failed]:
    """Train experiments; return their results in the given order, each equal to that of `analysis.train`.

    All seeds of an experiment train together, as one run. A run that the history holds finished isn't trained again,
    and one that stopped goes on from its checkpoint. Each run is kept as soon as it is finished: after Ctrl-C, or any
    other error, the same call trains only what is missing. A script that calls this needs
    `if __name__ == "__main__":`, as worker processes import it. An experiment that can't be trained gives a `Failed`.

    Args:
        experiments: what to train; equal ones are trained once.
        executor: who trains; None = one worker process for each core. On a `Cluster` (`jobs.cluster.connect`), a run
            whose worker dies goes on from its checkpoint; other executors bring back finished runs alone.
        store: path of the history; None = the user's own, ":memory:" = none.
        on_result: called with each result as it comes.
        on_progress: called a few times a second with a dictionary of the updates that each experiment under way has
            made; an executor other than a `Cluster` doesn't tell them.

    Raises:
        ValueError: for a text that can't be read, before anything is trained.
        StoreError: where the history that `store` names can't be used.
        ClusterError: where the cluster is lost, or has other versions of Goldfish, numpy or torch.
    """
    wanted = list(experiments)
    for experiment in wanted:
        read_key(experiment)
    results: dict[Experiment, Run | Failed] = {}
    with closing(_results(list(dict.fromkeys(wanted)), executor, store, on_progress)) as came:
        for result in came:
            results[result.experiment] = result
            if on_result:
                on_result(result)
    return [results[experiment] for experiment in wanted]


def _results(
    experiments: Sequence[Experiment],
    executor: Executor | None,
    store: str | Path | None,
    on_progress: OnProgress | None,
) -> Generator[Run | Failed]:
    """Yield the results of different experiments: first those in the history, then others as they come."""
    missing = []
    with open_pool(store, workers=0) as jobs:
        for experiment in experiments:
            row = jobs.find(experiment)
            if row and row.status == "finished":
                yield result_of(jobs.history, row.id, experiment)
            else:
                missing.append(experiment)
    if missing:
        with open_pool(store, None if executor is None else 0) as jobs:
            yield from _train(jobs, executor, longest_first(missing), on_progress)


def longest_first(experiments: Iterable[Experiment]) -> list[Experiment]:
    """Return experiments in the order in which workers end together: what can't be trained first."""
    return sorted(experiments, key=lambda each: expected_seconds(each) or inf, reverse=True)


def expected_seconds(experiment: Experiment) -> float:
    """Return how long a training will take on this machine; 0 for what can't be trained."""
    try:
        return Forecast(experiment).seconds()
    except (ValueError, ModuleNotFoundError):
        return 0.0


@contextmanager
def open_pool(store: str | Path | None, workers: int | None) -> Iterator[Jobs]:
    """Open a pool of so many workers with its history, and close it at the end."""
    with Jobs(store, workers) as jobs:
        if store is not None and jobs.trouble:
            raise StoreError(jobs.trouble)
        yield jobs


def _train(
    jobs: Jobs, executor: Executor | None, experiments: Sequence[Experiment], on_progress: OnProgress | None
) -> Generator[Run | Failed]:
    """Return a generator that trains experiments on the executor, or where there is none on the pool."""
    if executor is None:
        return Campaign(jobs, lambda runs: experiments).train(on_progress)
    history = jobs.history
    crew = ClusterCrew(executor, history) if isinstance(executor, Cluster) else ExecutorCrew(executor, history)
    return train_by_crew(crew, history, experiments, on_progress)
