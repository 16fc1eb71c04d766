"""Watching is cheap: a training loop watched at every 100th step, beside the bare one, on one thread.

Prints CPU milliseconds per step of both, what the 100th step of the watched one takes, and the ratio. The two take
turns step by step; figures are means of 100 steps, and their medians over repeats.
"""

import argparse
import time
from collections.abc import Callable
from statistics import median

import torch
from torch import nn

from analysis import watch
from tests.helpers.modules import CELLS, MODULES

SIZES = ((32, 100, 64), (64, 50, 32), (32, 100, 128), (16, 500, 64))  # B, T, H
D, EVERY = 2, 100


def loop(cell: str, B: int, T: int, H: int) -> tuple[nn.Module, Callable[[], None]]:
    """Make a usual training loop and return its recurrent module and one step of it."""
    torch.manual_seed(0)
    module, head = MODULES[cell](D, H, batch_first=True), nn.Linear(H, 1)
    optimizer = torch.optim.Adam([*module.parameters(), *head.parameters()])

    def run() -> None:
        inputs = torch.randn(B, T, D)
        optimizer.zero_grad()
        loss = (head(module(inputs)[0][:, -1]) - inputs.sum((1, 2))[:, None]).square().mean()
        loss.backward()
        nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()

    return module, run


def measure(cell: str, B: int, T: int, H: int, repeats: int) -> list[float]:
    """Return medians of the CPU milliseconds per step, bare and watched, of the 100th step, and of the ratio."""
    (_, bare), (module, watched) = loop(cell, B, T, H), loop(cell, B, T, H)
    for run in (bare, watched) * 5:
        run()
    watcher, rows = watch(module, EVERY), []
    for _ in range(repeats):
        taken: tuple[list[float], list[float]] = ([], [])
        for k in range(2 * EVERY):
            which = (k + k // 2) % 2  # who goes first changes too
            started = time.process_time()
            (bare, watched)[which]()
            taken[which].append(1e3 * (time.process_time() - started))
        means = [sum(found) / EVERY for found in taken]
        rows.append([*means, taken[1][-1], means[1] / means[0]])
    if len(watcher.history) != repeats or watcher.skipped:
        raise RuntimeError(f"{len(watcher.history)} snapshots, skipped {watcher.skipped}: expected {repeats}, none")
    return [median(column) for column in zip(*rows, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="the first size alone")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'cell':6}{'B':>5}{'T':>5}{'H':>5}{'bare ms':>10}{'watched':>10}{'100th':>8}{'ratio':>8}")
    for B, T, H in SIZES[:1] if options.quick else SIZES:
        for cell in CELLS:
            bare, watched, last, ratio = measure(cell, B, T, H, options.repeats)
            print(f"{cell:6}{B:5}{T:5}{H:5}{bare:10.2f}{watched:10.2f}{last:8.1f}{ratio:8.3f}", flush=True)


if __name__ == "__main__":
    main()
