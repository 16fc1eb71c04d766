"""Task: what a network must remember, as sequences with targets, and how its answers are scored."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import torch
from torch import Generator, Tensor

from analysis.experiment import METRICS, SERIES_METRICS

# No experiment can have these seeds; they fit into the 32 bits that torch's CPU generator reads.
EVALUATION_SEED, MEASURING_SEED, HELD_OUT_SEED = 3_000_000_000, 3_000_000_001, 3_000_000_002
EVALUATED, MEASURED = 1024, 64


@dataclass(frozen=True)
class Batch:
    """Sequences and their targets.

    inputs: (T, B, D) float32, or words as int64 classes (T, B).
    targets: int64 classes (B,), or (T, B) where every step counts; float32 numbers (B,), or (K, B) where a sequence is
        answered by several.
    lengths: (B,) time steps of each sequence, padded at its end; None = T. The targets are of its own last step.
    """

    inputs: Tensor
    targets: Tensor
    lengths: Tensor | None = None

    @property
    def every_step(self) -> bool:
        """Return whether every step has a target."""
        return self.targets.dim() == 2 and not self.targets.is_floating_point()

    def of(self, chosen: slice | Tensor) -> Self:
        """Return the batch of some of the sequences."""
        lengths = None if self.lengths is None else self.lengths[chosen]
        return type(self)(self.inputs[:, chosen], self.targets[..., chosen], lengths)

    def last(self, steps: int) -> Self:
        """Return the sequences' last steps, with the targets of their very last; a shorter sequence stays whole."""
        targets = self.targets[-steps:] if self.every_step else self.targets
        if self.lengths is None:
            return type(self)(self.inputs[-steps:], targets)
        kept = self.lengths.clamp(max=steps)
        of_kept = torch.minimum(torch.arange(steps).unsqueeze(-1), kept - 1)  # padding repeats the last
        shown = self.inputs[self.lengths - kept + of_kept, torch.arange(len(kept))]
        return type(self)(shown, targets, None if (kept == steps).all() else kept)

    def longest(self) -> Self:
        """Return the longest sequences alone, without padding."""
        if self.lengths is None:
            return self
        longest = self.of(self.lengths == self.lengths.max())
        steps = int(self.lengths.max())
        return type(self)(longest.inputs[:steps], longest.targets)


Draw = Callable[[int, Generator], Batch]  # (count, generator)


@dataclass(frozen=True)
class Task:
    """Something to remember: `length` T steps of `inputs` D channels, answered by `outputs` O numbers."""

    name: str
    length: int
    inputs: int
    outputs: int
    chance: float  # the metric of answers that ignore the sequence
    draw: Draw  # draws training data
    draw_evaluation: Draw
    draw_measuring: Draw
    solved: float | None = None  # the metric from which the task counts as solved; None = there is no such value
    every_step: bool = False  # whether the loss reads all steps, not the last alone
    squared: bool = False  # squared error in place of cross-entropy
    bigram: float | None = None  # in text: the metric of predicting by frequencies of pairs of characters
    repeating: float | None = None  # in forecasts: the metric of repeating the last value
    text_sha256: str | None = None
    data_sha256: str | None = None
    vocabulary: int | None = None  # number of word classes, each embedded in D numbers; None for other inputs
    draw_at: Callable[..., Batch] | None = (
        None  # as `draw`, with distance=k: what must be remembered stands k steps before the last
    )
    chance_at_last_step: float | None = None  # None = `chance`

    @property
    def metric_name(self) -> str:
        """Return the name of the metric, with its unit."""
        return SERIES_METRICS[self.squared] if self.name == "series" else METRICS[self.name]

    @property
    def last_step_chance(self) -> float:
        """Return chance for the last step alone; over all steps, copy's chance is lower: most are blank."""
        return self.chance if self.chance_at_last_step is None else self.chance_at_last_step

    def evaluation(self) -> Batch:
        """Return the 1,024 sequences (digits, series: at most what is held out) on which the metric is computed."""
        return self.draw_evaluation(EVALUATED, seeded(EVALUATION_SEED))

    def measuring(self) -> Batch:
        """Return the 64 sequences on which decay is measured (recall: symbol first)."""
        return self.draw_measuring(MEASURED, seeded(MEASURING_SEED))

    def at_distance(self, distance: int, count: int, generator: Generator) -> Batch:
        """Draw recall sequences with the symbol exactly `distance` steps, 1 to T−1, before the last.

        Raises ValueError for another task, and for a distance out of range.
        """
        if self.draw_at is None:
            raise ValueError(f"task={self.name}: only recall has one symbol at one distance")
        if not 1 <= distance < self.length:
            raise ValueError(f"distance={distance}: expected a whole number from 1 to {self.length - 1}")
        return self.draw_at(count, generator, distance=distance)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return each sample's loss (..., B) of outputs (..., B, O), or (..., T, B, O) if every step counts.

        Targets may lack leading axes. Cross-entropy in nats or squared error; mean over the steps, or over the numbers
        that answer one sequence.
        """
        if self.squared:
            numbers = targets.unsqueeze(-1) if self.outputs == 1 else targets.mT
            loss = (outputs - numbers).square().mean(-1)
        else:
            classes = targets.expand(outputs.shape[:-1]).unsqueeze(-1)
            loss = outputs.logsumexp(-1) - outputs.gather(-1, classes).squeeze(-1)
        return loss.mean(-2) if self.every_step else loss

    def score(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return each sample's score (..., B), whose mean is the metric; axes as in `loss`.

        NaN where an answer is not finite.
        """
        if self.metric_name == "accuracy":
            right = (outputs.argmax(-1) == targets).to(outputs.dtype)
            return torch.where(outputs.isfinite().all(-1), right, torch.nan)
        return self.loss(outputs, targets)


def seeded(seed: int) -> Generator:
    """Return a generator that starts from a seed."""
    return Generator().manual_seed(seed)


def one_hot(codes: Tensor, classes: int) -> Tensor:
    """Turn codes (T, B) into inputs (T, B, D)."""
    return torch.zeros(*codes.shape, classes).scatter_(-1, codes.unsqueeze(-1), 1.0)


def choose(count: int, total: int, generator: Generator, *, again: bool) -> Tensor:
    """Draw `count` of `total` places; without `again` each at most once, so at most `total`."""
    if again:
        return between(0, total - 1, count, generator)
    return torch.randperm(total, generator=generator)[:count]


def between(low: int, high: int, count: int, generator: Generator) -> Tensor:
    """Draw `count` whole numbers from low to high, both included."""
    return torch.randint(low, high + 1, (count,), generator=generator)
