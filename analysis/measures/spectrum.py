"""The gradient matrix: how the loss of each step depends on each earlier state."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from analysis.engine.cells import GRU, LSTM
from analysis.engine.layer import Layer
from analysis.engine.norms import norm
from analysis.engine.recording import Module, gradient_of, run_forward, unit_vector
from analysis.engine.unroll import Unroll, one_thread
from analysis.results import finite_median

FEW = 16  # losses: with more, to compute Jacobians and multiply by them takes less time than to go without
JUMPS = {  # by cell: the row blocks through which h, and c, depend on the hidden state before
    "lstm": (("output",), ("input", "forget", "candidate")),
    "gru": (("reset", "update", "recalled"),),
}


def gradient_matrix(
    module: Module,
    inputs: Tensor,
    loss: Callable[[Tensor], Tensor] | None = None,
    *,
    direction: str = "forward",
    seed: int = 0,
) -> np.ndarray:
    """Return [t, s] = the median over samples of ‖∂ℓ_t/∂(memory state)_s‖ of the top layer, 0 for s > t.

    Rows are NaN from the first step at which a state is not finite. All T losses go back together, in one sweep of
    products with the Jacobians of each step, in float64.

    Args:
        module: nn.RNN, nn.LSTM or nn.GRU; the memory state is the LSTM's cell state, the others' hidden state.
        inputs: as `record` takes them.
        loss: maps one step's output of the top layer (B, H) to a loss per sample (B,); None projects it on one
            fixed random unit vector.
        direction: of a bidirectional module of one layer, forward or backward: that direction alone is run, and time
            steps count in the order in which it reads.
        seed: of that vector.

    Raises:
        TypeError, ValueError: as `record`.
    """
    with one_thread(), torch.no_grad():
        unroll, top = run_forward([module], inputs, None, torch.float64, direction)
        return matrix_of_run(unroll, _loss_grads(loss, top[:, 0], seed))


def matrix_of_run(unroll: Unroll, loss_grads: Tensor, *, relative: bool = False) -> np.ndarray:
    """Return the matrix of a run that went forward, as `gradient_matrix` does.

    Args:
        unroll: of one model, in float64.
        loss_grads: ∂ℓ_t/∂output_t of every step, (T, B, H).
        relative: whether each sample's norm is a share of its ‖∂ℓ_t/∂(memory state)_t‖, before the median is taken;
            samples without any gradient are left out.
    """
    T, B, _ = loss_grads.shape
    matrix = _sweep(unroll.layers[-1], loss_grads, _Column(np.empty((T, B)), relative))
    states = torch.stack(
        [state[1:].flatten(1).isfinite().all(1) for layer in unroll.layers for state in layer.memories]
    )
    finite = np.logical_and.accumulate(states.all(0).numpy())
    matrix[~finite] *= np.where(np.tri(len(matrix)), np.nan, 0)[~finite]
    return matrix


class _Column(NamedTuple):
    """How a column of the matrix is made of every sample's norms."""

    own: np.ndarray  # (T, B) ‖∂ℓ_t/∂(memory state)_t‖, filled as the sweep comes to step t
    relative: bool

    def of_norms(self, s: int, norms: np.ndarray) -> np.ndarray:
        """Return the median over samples at state s, given the norms (T - s, B) of the losses from step s on."""
        if not self.relative:
            return _median(norms)
        self.own[s] = norms[0]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # 0 / 0
            return finite_median(norms / self.own[s:])


def _loss_grads(loss: Callable[[Tensor], Tensor] | None, top: Tensor, seed: int) -> Tensor:
    """Return ∂ℓ_t/∂output_t of every step, (T, B, H)."""
    if loss is None:
        return unit_vector(top.shape[-1], seed).to(top).expand_as(top)
    with torch.inference_mode(False), torch.enable_grad():
        top = top.clone().requires_grad_()
        losses = [loss(output) for output in top]
        for value in losses:
            if not isinstance(value, Tensor) or value.shape != top.shape[1:2]:
                got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
                raise ValueError(f"loss returned {got}: expected a loss per sample ({top.shape[1]},)")
        return gradient_of(torch.stack(losses).sum(), top)


@torch.inference_mode()
def _sweep(layer: Layer, loss_grads: Tensor, column: _Column) -> np.ndarray:
    """Take the gradients of all T losses back together: at step s, those of t >= s are columns of one product.

    Until the sweep reaches step t, `dh[:, t]` holds ∂ℓ_t/∂h_t; from then on it holds ∂ℓ_t/∂h_s. In a cell with gates,
    the last FEW losses are taken back gate by gate; with more, the Jacobian of a step is computed, which all share.
    """
    T, B, _ = loss_grads.shape
    layer.compute_local_derivatives()
    dh = loss_grads.permute(2, 0, 1).contiguous()
    grads = [dh, *(torch.zeros_like(dh) for _ in layer.memories[1:])]  # (H, T, B) each
    delta = dh.new_empty(layer.weight[0, layer.hidden_rows].shape[0], T, B)
    matrix = np.zeros((T, T))
    shared = max(T - FEW, 0) if layer.name in JUMPS else 0  # steps on which the Jacobian is shared
    for s in range(T - 1, shared - 1, -1):
        columns = [grad[:, s:] for grad in grads]
        matrix[s:, s] = column.of_norms(s, norm(layer.total_memory_grad(s, columns).numpy(), 0))
        layer.pull_back(s, columns, delta[:, s:])
    if shared:
        _sweep_shared(layer, grads, shared, matrix, column)
    return matrix


def _sweep_shared(layer: Layer, grads: list[Tensor], end: int, matrix: np.ndarray, column: _Column) -> None:
    """Go on with the sweep from step `end` - 1 to the first, by one Jacobian for each sample and step.

    Args:
        layer: the layer.
        grads: by h, and of an LSTM by c, as in `_sweep`, after step `end`.
        end: the steps that are left.
        matrix: to fill in.
        column: makes its columns.
    """
    H, _, B = grads[0].shape
    after = torch.cat([grad.permute(2, 1, 0) for grad in grads], 2)  # (B, T, H or 2H)
    jacobian = after.new_empty(B, after.shape[2], H)
    for s in range(end - 1, -1, -1):
        rows = after[:, s:]
        if isinstance(layer, LSTM):
            rows[..., H:].addcmul_(rows[..., :H], _of_step(layer.exposed, s))
        matrix[s:, s] = column.of_norms(s, norm(rows[..., -H:].numpy()).T)
        _fill_jacobian(layer, s, jacobian)
        kept = torch.bmm(rows, jacobian)
        if isinstance(layer, LSTM):
            rows[..., H:].mul_(_of_step(layer.rows(layer.gate, "forget"), s))
        rows[..., :H] = kept


def _of_step(buffer: Tensor, t: int) -> Tensor:
    """Return a buffer's step of the first model, (H, B), as factors (B, 1, H)."""
    return buffer[t, 0].T.unsqueeze(1)


def _fill_jacobian(layer: Layer, t: int, out: Tensor) -> None:
    """Write ∂h/∂h₋ at step t, and of an LSTM below it ∂c/∂h₋, both with c₋ held, to `out` (B, H or 2H, H)."""
    H = layer.H
    for part, blocks in zip(out.split(H, 1), JUMPS[layer.name], strict=True):
        for k, block in enumerate(blocks):
            weight = layer.rows(layer.weight, block)[0, :, :H]
            local = layer.rows(layer.delta, block)[t, 0].T.unsqueeze(-1)  # (B, H, 1)
            if k == 0:
                torch.mul(local, weight, out=part)
            else:
                part.addcmul_(local, weight)
    if isinstance(layer, GRU):
        out.diagonal(dim1=1, dim2=2).add_(layer.rows(layer.gate, "update")[t, 0].T)


def _median(norms: np.ndarray) -> np.ndarray:
    """Return the median over samples, (n, B) -> (n,): the mean of the middle two where B is even.

    It sorts once, where np.median takes several times as long.
    """
    ordered, B = np.sort(norms), norms.shape[1]
    middle = (ordered[:, (B - 1) // 2] + ordered[:, B // 2]) / 2
    return np.where(np.isnan(ordered[:, -1]), np.nan, middle)
