"""2-norms of gradients, which reach sizes whose squares no float holds."""

import torch
from torch import Tensor

SMALLEST = torch.finfo(torch.float64).tiny  # 2.2e-308; what is smaller is shown as "below floating point"
_SQUARES_HOLD = (1e-280, 1e280)


def norm(vectors: Tensor, dim: int = -1) -> Tensor:
    """Return the 2-norms along an axis in float64, as m ‖v / m‖ with m = max|v| where squares would not hold."""
    vectors = vectors.double()
    squares = vectors.square().sum(dim)
    norms = squares.sqrt()
    low, high = _SQUARES_HOLD
    unsafe = ~((squares >= low) & (squares <= high))
    if unsafe.any():
        v = vectors.movedim(dim, -1)[unsafe]
        largest = v.abs().amax(-1, keepdim=True)
        scale = torch.where(largest.isfinite() & (largest > 0), largest, 1)
        norms[unsafe] = (v / scale).square().sum(-1).sqrt() * scale.squeeze(-1)
    return norms
