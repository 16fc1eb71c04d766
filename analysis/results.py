"""Frozen results of measuring and training, together with the settings they came from.

Axes: S models (seeds), L layers, T time steps, B sequences, H hidden units, D inputs; arrays are ordered (S, L, T, B,
H). `hidden[:, :, t]` is the state after reading input t. Distance k is k steps before the step whose output the loss
reads, index T-1-k where that is the last one. The memory state is the cell state in an LSTM, else the hidden state.
"""

import platform
from dataclasses import dataclass, field, fields
from importlib.metadata import version
from math import nan
from numbers import Integral

import numpy as np

from analysis.experiment import Experiment

GRADIENTS = ("memory", "hidden", "cell", "input", "weights")  # kinds that a tape holds; "carry" is derived
THRESHOLD = 0.01  # default of the share of the gradient that is left at a horizon
SMALLEST = float(np.finfo(np.float64).tiny)  # 2.2e-308; what is smaller is shown as "below floating point"
DISTANCES = (0, 10, 100)  # time steps from the loss at which the ranges of a watched gradient begin
LEVELS = np.array([0.01, 0.5, 0.99, 1.0])  # quantiles of the sizes of states


def axes(letters: str, *, whole: bool = False) -> dict[str, object]:
    """Return an array field's metadata: its axes, and whether its numbers are whole. N, E, Q differ by class."""
    return {"axes": tuple(letters.split()), "whole": whole}


@dataclass(frozen=True, eq=False)
class Result:
    """A frozen result. Results are equal if all fields are; arrays compare by element, and NaN equals NaN."""

    def __post_init__(self) -> None:
        for value in vars(self).values():
            if isinstance(value, np.ndarray):  # not those in dictionaries: torch warns about read-only weights
                value.setflags(write=False)

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return all(_equal(getattr(self, f.name), getattr(other, f.name)) for f in fields(self) if f.compare)


def _equal(a: object, b: object) -> bool:
    if isinstance(a, np.ndarray | float) and isinstance(b, np.ndarray | float):
        return np.array_equal(a, b, equal_nan=True)
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_equal(a[key], b[key]) for key in a)
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(_equal, a, b))
    return bool(a == b)


def finite_median(values: np.ndarray) -> np.ndarray:
    """Return the median of the finite values along the last axis (a diverged model's are not); NaN where none is."""
    finite = np.isfinite(values)
    ordered, count = np.sort(np.where(finite, values, np.nan)), finite.sum(-1, keepdims=True)  # NaN last
    middle = np.concatenate([(count - 1) // 2, count // 2], axis=-1)
    return np.take_along_axis(ordered, middle, -1).mean(-1)


@dataclass(frozen=True, eq=False)
class Tape(Result):
    """States, gates and total gradients of a run over time.

    Gradients are total: each is of the sample's own loss ℓ, through every later step. `hidden_grad` is ∂ℓ/∂h_t with
    c_t held, `cell_grad` is ∂ℓ/∂c_t with the path through h_t, `weight_grad` the norm of what step t adds to
    ∂ℓ/∂W_hh of the sample.

    A tape is of one direction. That of a bidirectional module's backward direction runs in the order in which it reads:
    `hidden[:, :, t]` is the state after its t-th input, from the sequence's end. Gradients go through both directions.

    Measures read the cell's properties from here: `keep_gate` is the gate that multiplies the memory of the step
    before (c_t = f c_{t-1} + …), and `ranges` holds the values each gate lies between.
    """

    model: str  # rnn, lstm or gru; of record_steps: steps
    activation: str  # tanh, relu or identity; of record_steps: unknown
    loss_steps: tuple[int, ...]  # steps whose output the loss reads, in any sample
    hidden: np.ndarray  # (S, L, T, B, H), as the next three
    hidden_grad: np.ndarray
    cell: np.ndarray | None  # of an LSTM; of record_steps, the memory where it isn't the hidden state
    cell_grad: np.ndarray | None
    input_grad: np.ndarray  # (S, T, B, D)
    gates: dict[str, np.ndarray]  # (S, L, T, B, H); input forget candidate output, reset update candidate, or none
    weight_grad: np.ndarray  # (S, L, T, B); empty where it isn't recorded
    keep_gate: str | None  # the gate that keeps the memory where it is open; None where no gate does
    ranges: dict[str, tuple[float, float] | None]  # by gate: lowest and highest value; None where unbounded
    lengths: np.ndarray  # (B,) time steps of each sample; what lies after them is NaN
    reads: np.ndarray | None = None  # (T, B) whether the loss reads a sample's output; None: at `loss_steps` in all
    begins: np.ndarray | None = None  # (T, B) where a sequence begins anew, which no gradient crosses; None: nowhere

    def __post_init__(self) -> None:
        """Leave the arrays writable: they are views of the engine's buffers, which its next run overwrites."""

    def require_layer(self, layer: int) -> None:
        """Raise a ValueError if the tape has no such layer; -1 is the top one."""
        L = self.hidden.shape[1]
        if not isinstance(layer, Integral) or not -L <= layer < L:
            raise ValueError(f"layer={layer}: expected {-L} to {L - 1} for {L} layer{'s' * (L > 1)}")


@dataclass(frozen=True, eq=False)
class Decay(Result):
    """Size of a gradient against the distance k to the step whose output the loss reads; T distances, S models.

    `relative` is ‖g_k‖ / ‖g_0‖ of a sample; rates are in nats per step, negative where the gradient decays; horizons
    and half-lives in steps. What is undefined is NaN. A horizon at the furthest distance is censored: "at least".
    """

    of: str  # memory, hidden, cell, input, weights or carry
    threshold: float
    distance: np.ndarray = field(metadata=axes("T", whole=True))
    norm: np.ndarray = field(metadata=axes("T"))  # median over models and samples of the 2-norm
    mean_square: np.ndarray = field(metadata=axes("T"))  # mean of its square
    relative: np.ndarray = field(metadata=axes("T"))  # median; low and high are the 5th and 95th percentile
    low: np.ndarray = field(metadata=axes("T"))
    high: np.ndarray = field(metadata=axes("T"))
    relatives: np.ndarray = field(metadata=axes("S T"))  # median per model
    rate: float  # slope of ln relative, least squares
    factor: float  # e^rate, kept per step
    r_squared: float
    half_life: float
    horizon: float  # largest k with relative >= threshold up to k
    rates: np.ndarray = field(metadata=axes("S"))  # rate, half-life and horizon of each model
    half_lives: np.ndarray = field(metadata=axes("S"))
    horizons: np.ndarray = field(metadata=axes("S"))
    excluded: int  # models that left the finite range
    # How many sequences a distance rests on; None where an earlier version measured, so it isn't compared.
    samples: np.ndarray | None = field(default=None, compare=False, metadata=axes("T", whole=True))
    cut: int | None = None  # distance from which truncated backpropagation leaves no gradient; None = it cuts none

    @property
    def furthest(self) -> int:
        """The largest distance with a gradient; step 0 adds none to the weights if the state before it is zero."""
        last = int(self.distance[-1]) if self.cut is None else self.cut - 1
        return last - bool(self.of == "weights" and self.relative[last] == 0)

    @property
    def censored(self) -> bool:
        """Whether the horizon reaches the furthest distance, so that the true one may lie beyond."""
        return bool(self.horizon == self.furthest > 0)


@dataclass(frozen=True, eq=False)
class Memory(Result):
    """How good a network's answers are, by the distance of what they depend on.

    kind "symbol": the metric when the symbol stands `distance` steps before the last. `span` is the furthest trained
    distance answered better than midway between chance and all right. kind "window": the metric when the network sees
    only the last `distance` + 1 steps; `span` is the smallest distance from which it stays better than midway.
    """

    kind: str
    metric_name: str
    distance: np.ndarray = field(metadata=axes("N", whole=True))
    # Median over models, low and high their range. Without a task: median and 5th, 95th percentile over sequences.
    value: np.ndarray = field(metadata=axes("N"))
    low: np.ndarray = field(metadata=axes("N"))
    high: np.ndarray = field(metadata=axes("N"))
    values: np.ndarray = field(metadata=axes("S N"))
    chance: float
    span: float  # of the median curve; NaN if it is nowhere better than chance
    spans: np.ndarray = field(metadata=axes("S"))
    trained: np.ndarray | None = None  # (N,) of booleans: whether the training had such a case; None = not known
    repeating: float | None = None  # in forecasts: the metric of repeating the last value


@dataclass(frozen=True, eq=False)
class Saturation(Result):
    """How often a gate is shut or open. A candidate through relu or identity has no ends: left and right are None."""

    left: np.ndarray | None = field(metadata=axes("S L H"))  # share of (time, sample) below `low`
    right: np.ndarray | None = field(metadata=axes("S L H"))  # share above `high`
    counts: np.ndarray = field(metadata=axes("N", whole=True))  # in each of N bins
    edges: np.ndarray = field(metadata=axes("E"))  # of the bins, E = N + 1
    low: float  # values below it are left; -high for a tanh candidate
    high: float  # values above it are right

    @property
    def shares(self) -> np.ndarray:
        """Share of all values in each bin, (bins,)."""
        return self.counts / max(self.counts.sum(), 1)

    @property
    def ends(self) -> tuple[float, float] | None:
        """Share of all values at the left and at the right end; None where there are no ends."""
        return None if self.left is None or self.right is None else (float(self.left.mean()), float(self.right.mean()))


@dataclass(frozen=True, eq=False)
class GateSample(Result):
    """The gates of one model while it reads one sequence, and what it reads at which step."""

    gates: dict[str, np.ndarray]  # (T, H), units in the same order in all
    units: np.ndarray  # (H,) in that order: by the mean of the gate that keeps the memory, most open last
    reads: dict[str, np.ndarray]  # steps at which it reads what is to be remembered ("symbol") and the "cue"


@dataclass(frozen=True, eq=False)
class GateMoments(Result):
    """Mean of each gate before, at and after what is to be remembered, and at the cue where there is one."""

    moments: tuple[str, ...]
    units: dict[str, np.ndarray]  # (moments, S, H) mean of each unit; NaN where no step is such a moment
    mean: dict[str, np.ndarray]  # (moments,) over all units; low and high hold nine of ten of them
    low: dict[str, np.ndarray]
    high: dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Bounds(Result):
    """How large the states become: quantiles of |h_t| and |c_t| over models, samples and units."""

    levels: np.ndarray = field(metadata=axes("Q"))  # .01, .5, .99, 1.0
    hidden: np.ndarray = field(metadata=axes("Q T"))
    cell: np.ndarray | None = field(metadata=axes("Q T"))  # of an LSTM
    saturated: np.ndarray = field(metadata=axes("T"))  # share of |h| > .99
    overflow_step: int | None  # first step at which a state is not finite


@dataclass(frozen=True, eq=False)
class Repeated(Result):
    """A vector multiplied by one number at each step, without and with tanh: the simplest recurrent network."""

    factor: float
    plain: np.ndarray  # (steps + 1, N), h_t = factor · h_{t-1}; h_0 is the vector
    bounded: np.ndarray  # (steps + 1, N), h_t = tanh(factor · h_{t-1})
    limit: float  # the limit of |h| with tanh, from any start but 0
    overflow: dict[str, int | None]  # by float32, float64: first step whose largest entry is infinite
    underflow: dict[str, int | None]  # first step whose largest entry is below the smallest normal number


@dataclass(frozen=True, eq=False)
class Measured(Result):
    """Measures of one ensemble on the measuring batch: decay of the gradient, gates, and sizes of states."""

    loss: np.ndarray = field(metadata=axes("S"))  # of the last step
    decays: dict[str, Decay]  # of memory, hidden, input, weights, and carry where there is a gate
    saturation: dict[str, Saturation]
    bounds: Bounds

    @property
    def decay(self) -> Decay:
        """Decay of the memory state."""
        return self.decays["memory"]


@dataclass(frozen=True, eq=False)
class Snapshot(Result):
    """The ensemble at one training step."""

    step: int
    loss: np.ndarray = field(metadata=axes("S"))  # mean of the training loss since the last snapshot
    metric: np.ndarray = field(metadata=axes("S"))  # on the same batches, which are new to the model
    clipped: np.ndarray = field(metadata=axes("S"))  # share of those steps whose gradient was clipped
    decay: Decay
    saturation: dict[str, Saturation]
    bounds: Bounds
    sequences: int = 0  # of a watched pass: how many were measured; 0 = not known
    gradient: float = nan  # of a watched pass: the norm of the layer's gradient, of its whole batch, before clipping
    shares: tuple[float, ...] = ()  # of a watched pass: of its measured gradient, from each range of DISTANCES


@dataclass(frozen=True, eq=False)
class Watched(Result):
    """A module measured while someone's own loop trained it; a snapshot's step counts backward passes."""

    name: str
    cell: str  # rnn, lstm or gru
    activation: str  # tanh or relu
    input_size: int
    hidden_size: int
    layers: int
    created: str  # ISO 8601, UTC
    backwards: int  # passes seen
    snapshots: tuple[Snapshot, ...]
    skipped: dict[str, int]  # passes that couldn't be measured, by the reason
    versions: dict[str, str]

    @property
    def seeds(self) -> int:
        """The size of axis S: a watched module is one model."""
        return 1


@dataclass(frozen=True)
class Diverged:
    """A model that left the finite range at a step. It keeps its weights from before that step."""

    model: int
    step: int
    reason: str


@dataclass(frozen=True, eq=False)
class Run(Result):
    """One training run: everything that was measured, before, during and after."""

    experiment: Experiment
    status: str  # finished, or diverged where no model is left
    snapshots: tuple[Snapshot, ...]
    loss: np.ndarray = field(metadata=axes("S"))  # on the evaluation sequences
    metric: np.ndarray = field(metadata=axes("S"))  # on the same
    metric_name: str
    chance: float
    solved: float | None  # metric from which the task counts as solved
    measured_before: Measured
    measured_after: Measured
    memory: Memory
    weights: dict[str, np.ndarray]  # torch's parameter names, (S, ...)
    diverged: tuple[Diverged, ...]
    versions: dict[str, str]
    text_sha256: str | None = None
    data_sha256: str | None = None  # of the user's own data
    timing: dict[str, float] = field(default_factory=dict, compare=False)

    @property
    def source_sha256(self) -> str | None:
        """Return the hash of the text or the data that it learned from."""
        return self.text_sha256 or self.data_sha256

    @property
    def before(self) -> Decay:
        """Decay of the memory state before training."""
        return self.measured_before.decay

    @property
    def after(self) -> Decay:
        """Decay of the memory state after training."""
        return self.measured_after.decay

    @property
    def carry(self) -> Decay | None:
        """Decay through the gate alone after training."""
        return self.measured_after.decays.get("carry")


def versions() -> dict[str, str]:
    """Return the versions of Python, numpy and torch, by name, without importing torch."""
    return {"python": platform.python_version(), "numpy": np.__version__, "torch": version("torch")}
