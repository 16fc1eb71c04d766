"""2-norms of gradients, which reach sizes whose squares no float holds."""

import torch
from torch import Tensor

SMALLEST = torch.finfo(torch.float64).tiny  # 2.2e-308; what is smaller is shown as "below floating point"
_SQUARES_HOLD = (1e-140, 1e140)


def norm(vectors: Tensor, dim: int = -1) -> Tensor:
    """Return the 2-norms along an axis in float64, as m ‖v / m‖ with m = max|v| where squares would not hold."""
    plain = torch.linalg.vector_norm(vectors, dim=dim, dtype=torch.float64)
    low, high = _SQUARES_HOLD
    if ((plain >= low) & (plain <= high)).all():
        return plain
    largest = vectors.abs().amax(dim, keepdim=True).double()
    scale = torch.where(largest.isfinite() & (largest > 0), largest, 1)
    return torch.linalg.vector_norm(vectors / scale, dim=dim) * scale.squeeze(dim)
