"""Where a model leaves the finite range, in the precision that the engine computes in."""

import torch
from torch import Tensor

from analysis.engine.unroll import Unroll


def overflow_forward(unroll: Unroll, model: int = 0) -> int | None:
    """Return the first time step after which a state of a model isn't finite, in any layer; None where all are."""
    steps = _spoilt([memory[1:] for layer in unroll.layers for memory in layer.memories], model)
    return int(steps[0]) if len(steps) else None


def overflow_back(unroll: Unroll, model: int = 0) -> int | None:
    """Return the last time step at which a gradient of a model isn't finite: the first on the way back; or None."""
    steps = _spoilt([grad[1:] for layer in unroll.layers for grad in layer.memory_grads], model)
    return int(steps[-1]) if len(steps) else None


def _spoilt(buffers: list[Tensor], model: int) -> Tensor:
    """Return the time steps at which one of these buffers (T, S, ·, B) isn't finite for a model, in order."""
    finite = [buffer[:, model].isfinite().flatten(1).all(1) for buffer in buffers]
    return torch.nonzero(~torch.stack(finite).all(0)).flatten()
