"""Frozen results that answer what people ask of a model of their own.

How much past does it need (`LookBack`), what is really in force (`InForce`), which inputs matter (`Influence`)?
"""

from dataclasses import dataclass, field
from math import expm1, inf, log

import numpy as np

from analysis.results import Result, axes

CONSTANT = 0.01  # predictions that differ by less than this share of their size are called a constant
RISE = 1.1  # by how much the gradient at the first step must exceed others to be called a rise


@dataclass(frozen=True, eq=False)
class Windows(Result):
    """What is left out of a prediction by windows of the last time steps, all from one kind of start.

    The change of a window is ‖y_n - y‖ / ‖y‖ of a sequence: y is the prediction from the whole past, y_n from the last
    n time steps. W windows, N shares, B sequences (those of several models one after the other).
    """

    change: np.ndarray = field(metadata=axes("W"))  # median over sequences; low and high: 5th and 95th percentile
    low: np.ndarray = field(metadata=axes("W"))
    high: np.ndarray = field(metadata=axes("W"))
    # The smallest window from which on the change stays within a share, and within half. Infinite where all of a
    # sequence is not enough; NaN where a prediction is zero or not finite.
    steps: np.ndarray = field(metadata=axes("N B"))
    half: np.ndarray = field(metadata=axes("B"))

    @property
    def median(self) -> np.ndarray:
        """The window by share that is enough for half of the sequences, (N,); NaN where none can be measured."""
        return _at_rank(self.steps, 0.5)

    @property
    def lowest(self) -> np.ndarray:
        """The smallest window of any sequence by share, (N,)."""
        return _at_rank(self.steps, 0.0)

    @property
    def highest(self) -> np.ndarray:
        """The largest window of any sequence by share, (N,)."""
        return _at_rank(self.steps, 1.0)

    @property
    def decides_half(self) -> float:
        """The number of last steps that decide half of the prediction, in half of the sequences."""
        return float(_at_rank(self.half, 0.5))


@dataclass(frozen=True, eq=False)
class LookBack(Result):
    """How many of the last time steps give nearly the prediction that the whole past gives.

    `start` begins each window from the state in which the sequences themselves begin, which is zero unless another was
    given; in training the network may never have met it in the middle of a sequence. `reached` begins from a state that
    the network reached itself: the one it has after reading another sequence. A network that answers with the input k
    steps before the last needs a window of k + 1.
    """

    shares: np.ndarray = field(metadata=axes("N"))
    window: np.ndarray = field(metadata=axes("W", whole=True))  # numbers of last time steps that were tried
    start: Windows
    reached: Windows
    length: int  # time steps of the longest sequence
    spread: float  # how much the sequences' predictions differ, as a share of their size; NaN of a single sequence
    of_head: bool  # whether the prediction is the model's own output; else it is the last state

    @property
    def constant(self) -> bool:
        """Whether the prediction hardly differs between sequences."""
        return bool(self.spread < CONSTANT)

    @property
    def last_alone(self) -> bool:
        """Whether the last time step alone gives the prediction, within the smallest share, in every sequence."""
        smallest = np.argmin(self.shares)
        return bool(self.start.highest[smallest] == 1 and self.reached.highest[smallest] == 1)


def _at_rank(values: np.ndarray, level: float) -> np.ndarray:
    """Return the value (of the last axis) that this share of those which aren't NaN does not exceed; NaN of none."""
    known = np.sort(values)  # NaN last
    count = (~np.isnan(values)).sum(-1, keepdims=True)
    place = np.maximum(np.ceil(level * count).astype(int) - 1, 0)
    return np.take_along_axis(known, place, -1)[..., 0]


@dataclass(frozen=True, eq=False)
class InForce(Result):
    """The bias and the recurrent weights that are really in force, of S models with L layers of H units.

    `gate` is the gate that keeps the memory: an LSTM's forget gate, a GRU's update gate; None of an RNN. torch adds two
    biases: where both were set to 1, 2 is in force. Recurrent weights are H × H, a block for each gate; "state" is an
    RNN's. With a projection to P units they are the product of both matrices, P × P.
    """

    cell: str
    gate: str | None
    input_bias: np.ndarray = field(metadata=axes("S L H"))  # of the gate; empty of an RNN
    hidden_bias: np.ndarray = field(metadata=axes("S L H"))
    gain: dict[str, np.ndarray]  # (S, L) by block: the largest singular value
    eigenvalues: dict[str, np.ndarray]  # (S, L, P, 2) by block: real and imaginary part

    @property
    def bias(self) -> np.ndarray:
        """The gate's bias in force, the sum of both, (S, L, H)."""
        return self.input_bias + self.hidden_bias

    @property
    def layers(self) -> int:
        """The number of layers, L."""
        return next(iter(self.gain.values())).shape[1]

    @property
    def radius(self) -> dict[str, np.ndarray]:
        """The largest absolute value of the eigenvalues by block, (S, L)."""
        return {block: np.hypot(*np.moveaxis(values, -1, 0)).max(-1) for block, values in self.eigenvalues.items()}


def bias_for_half_life(steps: float) -> float:
    """Return the bias b with which a gate sigmoid(b) keeps half of the memory for this many time steps.

    It solves sigmoid(b)^steps = 1/2, for a gate that gets nothing but its bias: b = -ln(2^(1/steps) - 1). Both of
    torch's biases add up to it.

    Raises:
        ValueError: for a half-life that is not above 0.

    >>> round(bias_for_half_life(100), 2)
    4.97
    """
    if not 0 < steps < inf:
        raise ValueError(f"steps={steps}: expected a half-life above 0, in time steps")
    return -log(expm1(log(2) / steps))


def half_life_of_bias(bias: float) -> float:
    """Return after how many time steps half of the memory is left behind a gate sigmoid(bias).

    >>> round(half_life_of_bias(2), 1)
    5.5
    """
    return float(log(2) / np.logaddexp(0, -bias))


@dataclass(frozen=True, eq=False)
class Influence(Result):
    """How much each input moves the prediction, by distance k to the last time step and by column; T distances.

    The gradient is ∂y/∂x of an input, and the product x ∂y/∂x what it adds to the prediction, to first order (Shrikumar
    et al. 2016); means over sequences (and models) of absolute values. `reached` is the gradient where the sequence
    begins in a state that the network reached itself instead of its initial state. A zero state can make the first step
    stand out: there, units are less saturated.
    """

    of: str  # the number y, in words
    columns: str  # the inputs, in words: the model's own, or what its recurrent layer reads
    distance: np.ndarray = field(metadata=axes("T", whole=True))
    gradient: np.ndarray = field(metadata=axes("T D"))
    product: np.ndarray = field(metadata=axes("T D"))
    size: np.ndarray = field(metadata=axes("T"))  # mean of the gradient's 2-norm over columns
    reached: np.ndarray = field(metadata=axes("T"))  # the same from a state that the network reached itself

    @property
    def shares(self) -> np.ndarray:
        """The share of each column in all products, (D,); NaN where all are zero."""
        total = self.product.sum()
        return self.product.sum(0) / (total if total > 0 else np.nan)

    @property
    def rises(self) -> bool:
        """Whether the gradient rises at the first time step, and does less so from a state of the network's own."""
        if len(self.size) < 2:
            return False
        with np.errstate(all="ignore"):  # gradients may be zero, or at the end of the range of floats
            rise, own = self.size[-1] / self.size[-2], self.reached[-1] / self.reached[-2]
            return bool(np.isfinite(rise) and rise > RISE and rise > RISE * own)


@dataclass(frozen=True, eq=False)
class Answers(Result):
    """What was found of one model: how much past it needs, what is in force, and which inputs matter."""

    look_back: LookBack
    in_force: InForce
    time_scales: np.ndarray | None  # (S, L, H) time steps, from `time_scales`; None of a cell without gates
    influence: Influence
