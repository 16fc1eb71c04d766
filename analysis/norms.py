"""2-norms of gradients, which reach sizes whose squares no float holds."""

import torch
from torch import Tensor

SMALLEST = torch.finfo(torch.float64).tiny  # 2.2e-308; what is smaller is shown as "below floating point"
_SQUARES_HOLD = (1e-280, 1e280)


def norm(vectors: Tensor, dim: int = -1) -> Tensor:
    """Return the 2-norms along an axis in float64, as m ‖v / m‖ with m = max|v| where squares would not hold."""
    if vectors.dtype != torch.float64:
        return _scaled(vectors, dim)
    squares = vectors.square().sum(dim)
    norms = squares.sqrt()
    low, high = _SQUARES_HOLD
    unsafe = ~((squares >= low) & (squares <= high))
    if unsafe.any():
        norms[unsafe] = _scaled(vectors.movedim(dim, -1)[unsafe], -1)
    return norms


def _scaled(vectors: Tensor, dim: int) -> Tensor:
    largest = vectors.abs().amax(dim, keepdim=True)
    scale = largest.masked_fill_(~largest.isfinite() | (largest == 0), 1)
    return (vectors / scale).square_().sum(dim).sqrt_().double().mul_(scale.squeeze(dim))
