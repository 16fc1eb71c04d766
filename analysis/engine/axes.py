"""Whether the axes of time and of sequences look interchanged in a batch."""

import inspect
import warnings

from torch import Tensor

from analysis.engine.batch import Batch

ALIKE = 0.8  # neighbours along one axis differ by less than this share of those along the other
DOUBT = 6.0  # of n random numbers, this over √n is how much less neighbours may differ along one axis by chance
CORNER = 100  # how many time steps, sequences and inputs are compared


def warn_of_swapped_axes(output_grad: Tensor, batch: Batch) -> None:
    """Warn where a loss reads all time steps alike, by ∂ℓ/∂output (T, S, B, ·), and sequences look like time steps.

    So it is where `batch_first` was forgotten: output[:, -1] is then the last sequence at all time steps.
    """
    T, B = batch.begins.shape
    if min(T, B) < 2 or not batch.layout.batched or not batch.even:
        return
    reads = output_grad.ne(0).any(3).any(1)  # (T, B)
    if not reads[0].any() or not (reads == reads[0]).all():
        return
    corner = batch.x[:CORNER, :CORNER, :CORNER].double()
    by_time, by_sequence = (corner.diff(dim=axis).square().mean() for axis in (0, 1))
    chance = max(0.0, 1 - DOUBT / corner.numel() ** 0.5)
    if 0 < by_sequence < chance * ALIKE * by_time:
        given, other = ("(batch, time, D)", "False") if batch.layout.batch_first else ("(time, batch, D)", "True")
        warnings.warn(
            f"the loss reads all {T} time steps alike, and neighbouring sequences are more alike than neighbouring "
            f"time steps: inputs of shape {tuple(batch.given().shape)} are read as {given}; did you mean "
            f"batch_first={other}?",
            stacklevel=_callers_level(),
        )


def _callers_level() -> int:
    """Return the level, for a warning of the function that calls this one, of the code that called this package."""
    package, level, frame = __name__.partition(".")[0], 0, inspect.currentframe()
    while frame and frame.f_globals.get("__name__", "").partition(".")[0] == package:
        level, frame = level + 1, frame.f_back
    return level
