"""Two workers train a sweep nearly twice as fast as one: here, and on a dask cluster on loopback.

Prints the seconds of 3 cells x 4 lengths x 4 seeds on recall with one and two workers each, and the ratios, in turns,
with the median ratio of all turns. Workers are started and warm before the clock is. All results must be equal. It
needs two idle cores.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median

from analysis.experiment import CELLS, Experiment
from analysis.history.database import MEMORY
from analysis.jobs.campaign import Campaign
from analysis.jobs.cluster import connect
from analysis.jobs.outcome import Failed
from analysis.jobs.pool import Jobs
from analysis.jobs.sweep import longest_first, sweep
from analysis.results import Run
from tests.helpers.cluster import local_cluster
from tests.helpers.jobs import until

LENGTHS = (10, 20, 30, 40)
WORKERS = (1, 2)

Sweep = Callable[[list[Experiment]], Iterable[Run | Failed]]


def timed(train: Sweep, experiments: list[Experiment], workers: int) -> tuple[float, list[Run | Failed]]:
    """Return the seconds of a sweep once every worker has trained something, and its results as they came."""
    list(train([Experiment(length=4, steps=20, seed=seed) for seed in range(4 * workers)]))
    began = time.perf_counter()
    results = list(train(experiments))
    return time.perf_counter() - began, results


def time_here(experiments: list[Experiment], workers: int) -> tuple[float, list[Run | Failed]]:
    """Time a sweep on workers of this machine."""
    with Jobs(MEMORY, workers) as jobs:
        return timed(lambda wanted: Campaign(jobs, lambda runs: longest_first(wanted)).train(), experiments, workers)


def time_on_dask(experiments: list[Experiment], workers: int) -> tuple[float, list[Run | Failed]]:
    """Time a sweep on a scheduler and workers of dask on loopback."""
    with tempfile.TemporaryDirectory() as folder, local_cluster(Path(folder), preload=False) as cluster:
        cluster.need_workers(workers)
        until(lambda: (Path(folder) / "worker.log").read_text().count("Registered to") == workers)
        with connect(cluster.engine) as executor:
            return timed(lambda wanted: sweep(wanted, executor, MEMORY), experiments, workers)


def main() -> None:
    """Time all four in turns, and print their ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100 updates instead of 500, once instead of three times")
    quick = parser.parse_args().quick
    steps, turns = (100, 1) if quick else (500, 3)
    experiments = [Experiment(cell=cell, length=length, steps=steps) for cell in CELLS for length in LENGTHS]
    first: dict[Experiment, Run | Failed] = {}
    ratios: dict[str, list[float]] = {"here": [], "dask": []}
    for name, measure in (("here", time_here), ("dask", time_on_dask)) * turns:
        seconds = {}
        for workers in WORKERS:
            seconds[workers], results = measure(experiments, workers)
            first = first or {result.experiment: result for result in results}
            assert {result.experiment: result for result in results} == first, "results differ"
        ratios[name].append(seconds[1] / seconds[2])
        print(f"{name}: 1 worker {seconds[1]:.1f} s, 2 workers {seconds[2]:.1f} s, x{ratios[name][-1]:.2f}", flush=True)
    print("; ".join(f"{name}: median x{median(found):.2f}" for name, found in ratios.items()))


if __name__ == "__main__":
    main()
