"""Estimates are near the truth: what updates, snapshots and whole trainings are said to take, and what they take.

Prints seconds predicted from the machine's measured speed, CPU seconds measured, and predicted / measured, for all
cells and tasks from the smallest to large settings. `around` is what is measured before and after the updates. A
whole training is of the defaults' 500 updates with a snapshot every 10, from its parts.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import cycle

import numpy as np
import torch

from analysis.engine import speed as speeds
from analysis.engine.duration import measuring_seconds, update_seconds
from analysis.engine.network import evaluate
from analysis.engine.unroll import one_thread
from analysis.experiment import CELLS, TASKS, Experiment
from analysis.history.serialization import encode
from analysis.jobs.estimate import Forecast
from analysis.measures.memory import memory_curve
from analysis.results import Snapshot
from analysis.tasks.registry import build_task
from analysis.training.trainer import SNAPSHOT_SAMPLES, Trainer

PATIENCE = 0.5  # seconds for each measured part
LONGEST = 6.0  # seconds of what is measured around a training; if it is said to take longer, it is left out
UPDATES, EVERY = 500, 10
SIZES = (  # hidden size, layers, seeds, length, batch size
    (1, 1, 1, 2, 1), (32, 1, 4, None, 32), (32, 4, 4, 20, 32), (8, 1, 64, 30, 32), (128, 1, 4, None, 32),
    (512, 1, 1, 20, 32), (512, 1, 4, 20, 16), (512, 2, 1, 10, 1), (64, 1, 8, 200, 64), (32, 1, 4, 1000, 8),
    (16, 2, 16, 50, 256), (128, 4, 16, 10, 32), (64, 3, 1, 100, 128), (256, 1, 2, 50, 4), (4, 1, 1, 1000, 1),
    (32, 1, 64, 20, 8), (64, 1, 1, 20, 1000), (512, 4, 2, 5, 32),
)  # fmt: skip


def settings() -> Iterator[Experiment]:
    """Yield every size with every cell; each with two tasks, in turn, and every task with the defaults."""
    tasks = [task for task in TASKS if task != "series" and (task != "digits" or find_spec("sklearn"))]
    turn = cycle(tasks)
    for cell in CELLS:
        for task in tasks:
            yield Experiment(cell=cell, task=task)
        for hidden_size, layers, seeds, length, batch_size in SIZES:
            for _ in range(2):
                task = next(turn)
                yield Experiment(
                    cell=cell, task=task, hidden_size=hidden_size, layers=layers, seeds=seeds,
                    length=None if task == "digits" else length, batch_size=batch_size,
                )  # fmt: skip


def shortest(work: Callable[[], object], tries: int = 5) -> float:
    """Return the CPU seconds of the shortest of some calls: one at least, and more while patience lasts."""
    taken, end = [], time.perf_counter() + PATIENCE
    while not taken or (len(taken) < tries and time.perf_counter() < end):
        started = time.thread_time()
        work()
        taken.append(time.thread_time() - started)
    return min(taken)


def measure(experiment: Experiment, around: bool) -> dict[str, float]:
    """Return the CPU seconds of an update, of a snapshot, and if asked of what is measured around a training."""
    task = build_task(experiment)
    trainer = Trainer(experiment, task)
    zeros = np.zeros(experiment.seeds)

    def snapshot() -> bytes:
        found = trainer.snapshot_meter.measure(trainer.weights, of=("memory",), exclude=trainer.dead)
        return encode(Snapshot(0, zeros, zeros, zeros, found.decay, found.saturation, found.bounds))

    with one_thread():
        update, taken = shortest(trainer.advance), shortest(snapshot)
        if not around:
            return {"update": update, "snapshot": taken}
        measured = 2 * shortest(lambda: trainer.meter.measure(trainer.weights), 2)
        measured += shortest(lambda: evaluate(experiment, task, trainer.weights, task.evaluation()), 2)
        measured += shortest(lambda: memory_curve(experiment, task, trainer.weights), 1)
    return {"update": update, "snapshot": taken, "around": measured}


def predict(experiment: Experiment, speed: speeds.Speed) -> dict[str, float]:
    """Return the same, as estimated."""
    task, whole = build_task(experiment), Forecast(experiment).seconds()
    update = update_seconds(experiment, task, speed)
    snapshot = measuring_seconds(experiment, task, experiment.seeds, SNAPSHOT_SAMPLES, speed, whole=False)
    around = whole - experiment.steps * (update + snapshot / experiment.snapshot_every)
    return {"update": update, "snapshot": snapshot, "around": around}


def compare(experiment: Experiment, speed: speeds.Speed) -> dict[str, tuple[float, float]]:
    """Return by part the seconds predicted and measured, and those of 500 updates with a snapshot every 10."""
    predicted = predict(experiment, speed)
    measured = measure(experiment, predicted["around"] < LONGEST)
    for parts in (predicted, measured):
        if "around" in measured:
            parts["whole"] = UPDATES * (parts["update"] + parts["snapshot"] / EVERY) + parts["around"]
    return {part: (predicted[part], seconds) for part, seconds in measured.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="every fourth setting")
    options = parser.parse_args()
    torch.set_num_threads(1)
    speed = speeds.measure_speed()
    vars(speeds)["kept_speed"] = lambda: speed  # estimates use it too
    print(speed)
    parts = ("update", "snapshot", "around", "whole")
    print(f"{'cell':5}{'task':8}{'H':>4}{'L':>3}{'S':>4}{'T':>6}{'B':>6}"
          + "".join(f"{f'{part} ms':>18}{'ratio':>6}" for part in parts))  # fmt: skip
    ratios: dict[str, list[float]] = {part: [] for part in parts}
    for each in list(settings())[:: 4 if options.quick else 1]:
        line = f"{each.cell:5}{each.task:8}{each.hidden_size:4}{each.layers:3}{each.seeds:4}"
        line += f"{build_task(each).length:6}{each.batch_size:6}"
        for part, (said, took) in compare(each, speed).items():
            ratios[part].append(said / took)
            line += f"{1e3 * said:9.4g} /{1e3 * took:7.4g}{said / took:6.2f}"
        print(line, flush=True)
    for part, found in ratios.items():
        factors = np.exp(np.abs(np.log(found)))
        print(f"{part}: factor {np.median(factors):.2f} in the middle, {factors.max():.2f} at worst, "
              f"{(factors > 1.5).sum()} of {len(factors)} beyond 1.5")  # fmt: skip


if __name__ == "__main__":
    main()
