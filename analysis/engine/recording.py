"""record(module, inputs): states, gates and exact gradients of any nn.RNN, nn.LSTM or nn.GRU."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Self

import torch
from torch import Generator, Tensor, nn

from analysis.engine.layer import PARAMETERS, Memory
from analysis.engine.unroll import Unroll, one_thread
from analysis.results import Tape

Module = nn.RNN | nn.LSTM | nn.GRU
MODULES: dict[str, type[Module]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
State = Tensor | tuple[Tensor, Tensor]  # h0, or (h0, c0), as a module takes it
Loss = Callable[[Tensor], Tensor]
_SEVERAL = (Sequence, nn.ModuleList)


@dataclass(frozen=True)
class Layout:
    """The order of axes in which a module takes inputs and returns outputs; the engine's is (T, B, ·)."""

    batched: bool  # (T, B, ·) or (B, T, ·); else one sequence (T, ·)
    batch_first: bool  # (B, T, ·)

    @classmethod
    def of(cls, module: Module, inputs: Tensor) -> Self:
        """Return the layout in which a module takes these inputs."""
        batched = inputs.dim() == 3
        return cls(batched, batch_first=batched and module.batch_first)

    @property
    def time_axis(self) -> int:
        """The axis of inputs and outputs that is time."""
        return 1 if self.batch_first else 0

    @property
    def axes(self) -> str:
        """What the axes of inputs are, as words."""
        if not self.batched:
            return "time step, input"
        return "sequence, time step, input" if self.batch_first else "time step, sequence, input"

    def to_engine(self, inputs: Tensor) -> Tensor:
        """Return inputs, or outputs, as (T, B, ·)."""
        if not self.batched:
            return inputs.unsqueeze(1)
        return inputs.transpose(0, 1) if self.batch_first else inputs

    def from_engine(self, outputs: Tensor) -> Tensor:
        """Return outputs (T, B, H) as the module itself would return them."""
        if not self.batched:
            return outputs.squeeze(1)
        return outputs.transpose(0, 1) if self.batch_first else outputs

    def state_shape(self, L: int, B: int, H: int) -> tuple[int, ...]:
        """Return the shape of h0 and c0, which is the same with and without batch_first."""
        return (L, B, H) if self.batched else (L, H)


def record(
    module_or_modules: Module | Sequence[Module],
    inputs: Tensor,
    loss: Loss | None = None,
    *,
    state: State | None = None,
    at: int | None = None,
    dtype: torch.dtype = torch.float64,
    seed: int = 0,
) -> Tape:
    """Run a module over inputs and back, and return every state, gate and gradient.

    The module, its gradients and mode, and the global random state stay as they are. Dropout is left out. The engine
    computes on the CPU, wherever the module is; the loss gets its output on the module's device.

    Args:
        module_or_modules: nn.RNN, nn.LSTM or nn.GRU, or S of them, alike in shape.
        inputs: (T, B, D), (B, T, D) with batch_first, or (T, D) for one sequence.
        loss: called with the module's output, in the module's own layout and `dtype`; returns a loss per sample
            (B,) or a scalar that is their sum. None projects the top layer's last hidden state on one fixed
            random unit vector, the same for all models and samples.
        state: the initial state as the module takes it, h0 or (h0, c0); None = zero.
        at: keep only the share of ∂ℓ/∂output at this step (-1 = the last); None keeps all.
        dtype: what the engine computes in, torch.float64 or torch.float32.
        seed: of the random unit vector.

    Raises:
        TypeError: for another kind of module.
        ValueError: for bidirectional, projected, packed or unlike modules, other shapes, inputs that are not finite.

    >>> tape = record(nn.LSTM(3, 16), torch.randn(50, 8, 3))
    >>> tape.cell_grad.shape  # (S, L, T, B, H)
    (1, 1, 50, 8, 16)
    """
    modules = list(module_or_modules) if isinstance(module_or_modules, _SEVERAL) else [module_or_modules]
    with one_thread(), torch.no_grad():
        unroll, top = run_forward(modules, inputs, state, dtype)
        require_finite(inputs.to(dtype), "inputs", Layout.of(modules[0], inputs).axes)
        if at is not None and not (isinstance(at, Integral) and -len(top) <= at < len(top)):
            raise ValueError(f"at={at!r}: expected {-len(top)} to {len(top) - 1} for {len(top)} steps")
        if loss is None:
            output_grad = torch.zeros_like(top)
            output_grad[-1] = unit_vector(top.shape[-1], seed).to(top)
        else:
            output_grad = _loss_grads(loss, top, modules[0], inputs)
        if at is not None:
            share = output_grad[at].clone()
            output_grad.zero_()[at] = share
        unroll.backward(output_grad.mT)
        return unroll.tape(tuple(output_grad.flatten(1).ne(0).any(1).nonzero().flatten().tolist()))


def run_forward(
    modules: Sequence[Module], inputs: Tensor, state: State | None, dtype: torch.dtype
) -> tuple[Unroll, Tensor]:
    """Unroll modules over inputs; return the unroll and the top layer's states, (T, S, B, H). Raises as `record`."""
    _refuse_unsupported(modules)
    first = modules[0]
    if dtype not in (torch.float32, torch.float64):
        raise ValueError(f"dtype={dtype}: expected torch.float64, or torch.float32, whose smallest number is 1e-38")
    if not isinstance(inputs, Tensor):
        raise ValueError(f"inputs={type(inputs).__name__}: expected a tensor; packed sequences are not supported")
    if inputs.dim() not in (2, 3) or inputs.shape[-1] != first.input_size or not inputs.numel():
        axes = "batch, time" if first.batch_first else "time, batch"
        raise ValueError(f"inputs of shape {tuple(inputs.shape)}: expected ({axes}, {first.input_size})")
    weights = {
        name: torch.stack([getattr(module, name).detach().to("cpu", dtype) for module in modules])
        for name in _names(first)
    }
    like = weights["weight_hh_l0"]
    layout = Layout.of(first, inputs)
    x = layout.to_engine(inputs.detach().to(like))
    T, B, _ = x.shape
    unroll = Unroll(cell_name(first), getattr(first, "nonlinearity", "tanh"), weights, T, B)
    if state is not None:
        unroll.start(_initial_state(state, first, len(modules), layout, like, B))
    return unroll, unroll.forward(x).mT


def cell_name(module: object) -> str:
    """Return rnn, lstm or gru; TypeError where a module is none of torch's three."""
    for name, kind in MODULES.items():
        if isinstance(module, kind):
            return name
    raise TypeError(f"{type(module).__name__}: expected nn.RNN, nn.LSTM or nn.GRU, or a list of one of them")


def _refuse_unsupported(modules: Sequence[Module]) -> None:
    """Raise a TypeError or ValueError for modules that the engine can't unroll together."""
    if not modules:
        raise ValueError("no module: expected at least one nn.RNN, nn.LSTM or nn.GRU")
    for k, module in enumerate(modules):
        kind = MODULES[cell_name(module)]
        if type(module).forward is not kind.forward:
            raise TypeError(f"{type(module).__name__} has a forward of its own: expected {kind.__name__}'s")
        if module.bidirectional:
            raise ValueError("bidirectional=True: not supported, a distance needs one direction of time")
        if module.proj_size:
            raise ValueError(f"proj_size={module.proj_size}: projections are not supported, expected 0")
        if _signature(module) != _signature(modules[0]):
            raise ValueError(f"module {k} is unlike module 0: expected the same kind, layout and shapes in all")


def _signature(module: Module) -> tuple:
    """Return kind, layout, activation and shapes, which must be equal in modules that run together."""
    shapes = [(name, getattr(module, name).shape) for name in _names(module)]
    return cell_name(module), module.batch_first, getattr(module, "nonlinearity", None), shapes


def _names(module: Module) -> list[str]:
    """Return torch's parameter names; they are attributes of the module even under weight norm or pruning."""
    parts = PARAMETERS if module.bias else PARAMETERS[:2]
    return [f"{part}_l{layer}" for layer in range(module.num_layers) for part in parts]


def _initial_state(state: State, module: Module, S: int, layout: Layout, like: Tensor, B: int) -> list[Memory]:
    """Convert h0, or (h0, c0), from a module's layout to that of `Unroll.start`: by layer, (S, H, B) each.

    Raises:
        ValueError: for another number of tensors than the module takes, and other shapes.
    """
    parts = list(state) if isinstance(state, tuple | list) else [state]
    wanted = 2 if isinstance(module, nn.LSTM) else 1
    L, H = module.num_layers, module.hidden_size
    shape = layout.state_shape(L, B, H)
    if len(parts) != wanted or any(not isinstance(part, Tensor) or tuple(part.shape) != shape for part in parts):
        got = ", ".join(str(tuple(part.shape)) if isinstance(part, Tensor) else repr(part) for part in parts)
        expected = f"(h0, c0), both {shape}" if wanted == 2 else shape
        raise ValueError(f"state of shape {got}: expected {expected}")
    by_layer = [part.detach().to(like).reshape(L, 1, B, H).mT for part in parts]  # (L, 1, H, B)
    return [tuple(part[k].expand(S, -1, -1) for part in by_layer) for k in range(L)]


def require_finite(numbers: Tensor, name: str, axes: str) -> None:
    """Raise a ValueError that says where, by `axes`, numbers hold the first one that is not finite."""
    if not numbers.isfinite().all():
        place = tuple(numbers.isfinite().logical_not().nonzero()[0].tolist())
        raise ValueError(f"{name}: {numbers[place].item()} at {place} ({axes}): expected finite numbers")


def unit_vector(H: int, seed: int) -> Tensor:
    """Return the fixed random direction (H,) that a default loss projects on."""
    vector = torch.randn(H, generator=Generator().manual_seed(seed), dtype=torch.float64)
    return vector / vector.norm()


def _loss_grads(loss: Loss, top: Tensor, module: Module, inputs: Tensor) -> Tensor:
    """Return ∂ℓ/∂output of every model, (T, S, B, H), for outputs `top` of the same shape."""
    layout, device = Layout.of(module, inputs), next(module.parameters()).device
    return torch.stack([_loss_grad(loss, own, layout, device) for own in top.unbind(1)], 1)


def _loss_grad(loss: Loss, top: Tensor, layout: Layout, device: torch.device) -> Tensor:
    """Call the loss with one model's output (T, B, H) on `device`; return ∂ℓ/∂output, (T, B, H)."""
    with torch.inference_mode(False), torch.enable_grad():
        top = top.clone().to(device).requires_grad_()
        try:
            value = loss(layout.from_engine(top))
        except RuntimeError as error:
            error.add_note(f"record calls loss with an output in {top.dtype}; its argument dtype chooses another")
            raise
        return gradient_of(summed_loss(value, top.shape[1]), top).cpu()


def summed_loss(value: object, B: int) -> Tensor:
    """Return the sum of what a loss returned for B samples; ValueError unless it is real, (B,) or a scalar."""
    if not isinstance(value, Tensor) or value.dim() > 1 or (value.dim() == 1 and len(value) != B):
        got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise ValueError(f"loss returned {got}: expected a loss per sample ({B},) or their sum")
    if value.is_complex():
        raise ValueError(f"loss returned numbers in {value.dtype}: expected real ones")
    return value.sum()


def gradient_of(loss: Tensor, output: Tensor) -> Tensor:
    """Return ∂loss/∂output; ValueError where the loss does not depend on the output."""
    grad = torch.autograd.grad(loss, output, allow_unused=True)[0] if loss.requires_grad else None
    if grad is None:
        raise ValueError("loss doesn't depend on the output it was called with: expected a function of it")
    return grad
