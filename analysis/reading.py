"""Frozen results of the lesson: a sentence read, as it is and with one gate held, and a number repeated."""

from dataclasses import dataclass

import numpy as np

from analysis.experiment import KEEP_GATE
from analysis.results import Result

UNKNOWN = "(unknown)"  # shown for all words outside of a vocabulary; `split_words` never returns it


@dataclass(frozen=True, eq=False)
class Reading(Result):
    """How one model reads a sentence of T words, embedded in E numbers each, with H units in its first layer.

    `parts` holds what flows through the cell, (T, H) each: hidden and hidden_before; each gate; of an LSTM cell,
    cell_before, squashed (φ of the cell), kept (f c₋), stored (i g); of a GRU recalled (r a, where a = W_hn h₋ + b_hn),
    kept (z h₋), stored ((1 - z) n); of an RNN from_word (W x), from_memory (U h₋), bias and their sum.
    """

    cell: str
    activation: str
    words: tuple[str, ...]
    left_out: int  # words after the longest sentence that is read
    known: np.ndarray  # (T,) whether the model knows the word
    embedded: np.ndarray  # (T, E)
    parts: dict[str, np.ndarray]
    shares: dict[str, np.ndarray]  # (T, H, 4) of each gate's sum: W x, W h₋, the word's bias, the memory's bias
    wanted: tuple[str, ...]  # the word that follows; after the last, the predicted one
    predicted: tuple[str, ...]  # the most likely next word
    probability: np.ndarray  # (T, 2) of the predicted and of the wanted word
    connectivity: np.ndarray  # (T, T) by predicting word, then word read: ‖∂(logit of wanted)/∂x‖; NaN if not yet read

    @property
    def relative(self) -> np.ndarray:
        """Connectivity divided by each prediction's largest; NaN where all of a prediction's are zero."""
        largest = np.nanmax(self.connectivity, axis=1, keepdims=True)
        return self.connectivity / np.where(largest > 0, largest, np.nan)


@dataclass(frozen=True, eq=False)
class Alone(Result):
    """What one model expects after each of T words if it reads that word alone, with an empty memory."""

    words: tuple[str, ...]
    predicted: tuple[str, ...]  # the most likely next word
    probability: np.ndarray  # (T,) of it


@dataclass(frozen=True, eq=False)
class Held(Result):
    """A sentence of T words read with one gate of all H units held at a value, or as it is: states and gradient.

    The gradient is that of one word's score, the one most likely to follow the sentence with the gate as it is, by the
    memory state of the first layer: the cell state in an LSTM, else the hidden state. It is total: through every later
    word.
    """

    cell: str
    gate: str
    value: float | None  # from 0 to 1; None: the gate as it is
    words: tuple[str, ...]
    hidden: np.ndarray  # (T, H) after each word
    cell_state: np.ndarray | None  # (T, H) of an LSTM
    gradient: np.ndarray  # (T,) by distance k: the norm of the gradient by the memory k words before the last

    @property
    def memory(self) -> np.ndarray:
        """The memory state after each word, (T, H)."""
        return self.hidden if self.cell_state is None else self.cell_state

    @property
    def size(self) -> np.ndarray:
        """The mean absolute value of the memory state over all units, after each word, (T,)."""
        return np.abs(self.memory).mean(1)

    @property
    def left(self) -> np.ndarray:
        """The gradient as a share of that at distance 0, (T,); NaN where that one is zero or not finite."""
        whole = self.gradient[0]
        return self.gradient / (whole if 0 < whole < np.inf else np.nan)

    @property
    def through_gate(self) -> np.ndarray | None:
        """What would be left through the held gate alone, value^k, (T,); None unless the gate is the one that keeps."""
        if self.value is None or self.gate != KEEP_GATE[self.cell]:
            return None
        return self.value ** np.arange(len(self.words))


@dataclass(frozen=True, eq=False)
class Trace(Result):
    """What is left of the first word in the memory after each later one, as a share, read by S models with H units.

    It is ‖∂m_t/∂m_0‖ / √H of the memory state m: the cell state in an LSTM, else the hidden state. Distance is t.
    """

    cell: str
    words: tuple[str, ...]  # T of the reader's sentence
    known: np.ndarray  # (T,) whether the models' vocabulary has the word
    seeds: int  # S
    sentences: int  # others, which the next four are over
    own: np.ndarray  # (T,) in the reader's sentence; median over models
    distance: np.ndarray  # (K,) as far as the shortest of the others reaches
    relative: np.ndarray  # (K,) median over the other sentences and models; low and high: 5th and 95th percentile
    low: np.ndarray
    high: np.ndarray
    mean: np.ndarray  # (T,) over units, of the gate that keeps, in an RNN of the slope of tanh; median over models

    def per_turn(self, distance: int) -> float:
        """What each of the first turns of the loop, up to a distance above 0, keeps on average: the geometric mean."""
        return float(self.own[distance] ** (1 / distance))

    @property
    def half(self) -> int | None:
        """The first distance at which less than half is left; None where the sentence ends before."""
        below = np.flatnonzero(self.own < 0.5)
        return int(below[0]) if len(below) else None


@dataclass(frozen=True, eq=False)
class Race(Result):
    """How long two cells take to read the same words, in turn, R times each, on one core of this machine."""

    words: tuple[str, ...]
    lstm: np.ndarray  # (R,) seconds of one reading, without going back
    gru: np.ndarray  # (R,)

    @property
    def ratios(self) -> np.ndarray:
        """The GRU's seconds as a share of the LSTM's just before, (R,)."""
        return self.gru / self.lstm

    @property
    def differs(self) -> bool:
        """Whether the same cell was faster in every repeat."""
        return bool((self.ratios < 1).all() or (self.ratios > 1).all())


@dataclass(frozen=True, eq=False)
class Repeated(Result):
    """A vector multiplied by one number at each step, without and with tanh: the simplest recurrent network."""

    factor: float
    plain: np.ndarray  # (steps + 1, N), h_t = factor · h_{t-1}; h_0 is the vector
    bounded: np.ndarray  # (steps + 1, N), h_t = tanh(factor · h_{t-1})
    limit: float  # the limit of |h| with tanh, from any start but 0
    overflow: dict[str, int | None]  # by float32, float64: first step whose largest entry is infinite
    underflow: dict[str, int | None]  # first step whose largest entry is below the smallest normal number
