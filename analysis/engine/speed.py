"""How fast this machine computes: a few prices, measured once per machine and kept in a small file."""

import contextlib
import json
import math
import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from analysis.engine.cells import LAYERS
from analysis.engine.unroll import one_thread
from analysis.history.database import MEMORY
from analysis.history.store import default_path

BATCHES = (1, 2, 8, 16, 32, 64, 256)  # numbers of sequences for which products are timed
FORMAT = 1  # of the file
TRIES = 5
TIMED = {"T": 4, "S": 4, "H": 128}  # of the layers whose products are timed
ALONE = {"T": 2, "S": 1, "H": 512}


@dataclass(frozen=True)
class Speed:
    """What work costs on a core of this machine that does nothing else, in nanoseconds.

    `training` and `measuring` hold what the products of one weight cost by the number of sequences, for each of
    BATCHES: forward, back and by the weights in float32; forward and back in float64. They rise.
    """

    call: float  # one operator on a few numbers
    entry: float  # one number of a large array in an elementwise operator
    alone: float  # as `training`, of one model that reads one sequence: libraries have a quicker way
    training: tuple[float, ...]
    measuring: tuple[float, ...]

    def __post_init__(self) -> None:
        prices = [self.call, self.entry, self.alone, *self.training, *self.measuring]
        if len(prices) != 3 + 2 * len(BATCHES) or not all(0 < price < math.inf for price in prices):
            raise ValueError(f"{prices}: expected positive prices, {len(BATCHES)} for each kind of product")

    def product(self, models: int, sequences: float, *, training: bool) -> float:
        """Return the nanoseconds of one weight's products with so many sequences."""
        if training and models == sequences == 1:
            return self.alone
        prices = self.training if training else self.measuring
        beyond = max(1.0, sequences / BATCHES[-1])
        return beyond * math.exp(np.interp(math.log(sequences), np.log(BATCHES), np.log(prices)))


TYPICAL = Speed(  # a server's core of 2025, where nothing was measured yet
    call=700.0,
    entry=0.15,
    alone=0.22,
    training=(0.8, 1.5, 1.6, 1.6, 2.2, 4.2, 17.0),
    measuring=(0.35, 1.6, 2.2, 3.0, 4.1, 6.7, 24.0),
)


def machine_speed() -> Speed:
    """Return what was measured of this machine; what is typical until a worker has measured it."""
    return kept_speed() or TYPICAL


def kept_speed() -> Speed | None:
    """Return what was measured of this machine; None where nothing was, or with another torch."""
    path = _path()
    try:
        return _read(path, path.stat().st_mtime_ns)
    except OSError:
        return None


def keep_speed() -> None:
    """Measure this machine's speed unless it is known, and keep it in a file beside the history."""
    path = _path()
    if kept_speed() is None and path.parent.is_dir() and default_path().name != MEMORY:
        written = path.with_name(f"{path.name}.{os.getpid()}")
        with contextlib.suppress(OSError):  # a folder that can't be written: estimates stay typical
            written.write_text(json.dumps({"machine": _machine(), "speed": asdict(measure_speed())}))
            written.replace(path)


def _path() -> Path:
    history = default_path()
    return history.with_name(f"{history.name}.speed.json")


@lru_cache(maxsize=4)
def _read(path: Path, _changed: int) -> Speed | None:
    """Return the speed in a file, None where it is damaged or of another machine or torch."""
    try:
        found: dict[str, Any] = json.loads(path.read_text())
        prices: dict[str, Any] = found["speed"] | {
            name: tuple(found["speed"][name]) for name in ("training", "measuring")
        }
        return Speed(**prices) if found["machine"] == _machine() else None
    except (ValueError, TypeError, AttributeError, KeyError):
        return None


def _machine() -> str:
    """Return what a speed depends on, as one line."""
    return f"{FORMAT} {platform.node()} {platform.machine()} {os.cpu_count()} torch {torch.__version__}"


def measure_speed() -> Speed:
    """Measure this machine's speed; it takes about 0.3 s of one core."""
    with one_thread(), torch.inference_mode():
        training, measuring = (
            [_weight_seconds(dtype, B=B, **TIMED) for B in BATCHES] for dtype in (torch.float32, torch.float64)
        )
        alone = _weight_seconds(torch.float32, B=1, **ALONE)
        call = _layer_seconds(torch.float32, T=200, S=1, B=1, H=1) / 200 / 5  # operators of a time step
        numbers = torch.rand(2**16)

        def squash() -> None:
            numbers.mul_(numbers).sigmoid_()
            np.tanh(numbers.numpy(), out=numbers.numpy())

        entry = _shortest_seconds(squash) / numbers.numel() / 3
    rising = _rising(training)
    return Speed(1e9 * call, 1e9 * entry, min(1e9 * alone, rising[0]), rising, _rising(measuring))


def _weight_seconds(dtype: torch.dtype, *, T: int, S: int, B: int, H: int) -> float:
    """Return what `_layer_seconds` does for each weight of each model and time step."""
    return _layer_seconds(dtype, T=T, S=S, B=B, H=H) / (T * S * H * (H + 2))


def _layer_seconds(dtype: torch.dtype, *, T: int, S: int, B: int, H: int) -> float:
    """Return the seconds of a layer with one input, forward and back; in float32 by the weights too.

    It is an RNN's without an activation: little more than products.
    """
    layer = LAYERS["rnn"](S, T, B, 1, H, "identity", torch.zeros((), dtype=dtype))
    layer.weight.uniform_(-0.01, 0.01)

    def work() -> None:
        layer.forward()
        layer.backward(dtype == torch.float32)

    return _shortest_seconds(work)


def _shortest_seconds(work: Callable[[], object]) -> float:
    """Return the CPU seconds of the shortest of some calls: other programs only prolong them."""

    def time_once() -> float:
        started = time.thread_time()
        work()
        return time.thread_time() - started

    return min(time_once() for _ in range(TRIES))


def _rising(seconds: list[float]) -> tuple[float, ...]:
    """Return nanoseconds that never fall: some libraries are slower with 8 sequences than with 16."""
    times = 1e9 * np.array(seconds)
    upper, lower = np.maximum.accumulate(times), np.minimum.accumulate(times[::-1])[::-1]
    return tuple(np.sqrt(upper * lower).tolist())
