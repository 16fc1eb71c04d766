"""record(module, inputs): states, gates and exact gradients of any nn.RNN, nn.LSTM or nn.GRU."""

from collections.abc import Callable, Sequence
from numbers import Integral

import torch
from torch import Generator, Tensor, nn

from analysis.engine.unroll import Unroll, one_thread
from analysis.results import Tape

KINDS = {nn.RNN: "rnn", nn.LSTM: "lstm", nn.GRU: "gru"}
Module = nn.RNN | nn.LSTM | nn.GRU
Loss = Callable[[Tensor], Tensor]


def record(
    module_or_modules: Module | Sequence[Module],
    inputs: Tensor,
    loss: Loss | None = None,
    *,
    state: Tensor | tuple[Tensor, Tensor] | None = None,
    at: int | None = None,
    dtype: torch.dtype = torch.float64,
    seed: int = 0,
) -> Tape:
    """Run a module over inputs and back, and return every state, gate and gradient.

    The module, its gradients and mode, and the global random state stay as they are. Dropout is left out. Computing
    is done on the CPU, wherever the module is; the loss gets its output there.

    Args:
        module_or_modules: nn.RNN, nn.LSTM or nn.GRU, or S of them, alike in shape.
        inputs: (T, B, D), (B, T, D) with batch_first, or (T, D) for one sequence.
        loss: called with the module's output, in the module's own layout and `dtype`; returns a loss per sample
            (B,) or a scalar that is their sum. None projects the top layer's last hidden state on one fixed
            random unit vector, the same for all models and samples.
        state: the initial state as the module takes it, h0 or (h0, c0); None = zero.
        at: keep only the share of ∂ℓ/∂output at this step (-1 = the last); None keeps all.
        dtype: what is computed in.
        seed: of the random unit vector.

    Raises:
        TypeError: for another kind of module.
        ValueError: for bidirectional, projected, packed or unlike modules, and shapes that don't fit.

    >>> tape = record(nn.LSTM(3, 16), torch.randn(50, 8, 3))
    >>> tape.cell_grad.shape  # (S, L, T, B, H)
    (1, 1, 50, 8, 16)
    """
    single = not isinstance(module_or_modules, Sequence | nn.ModuleList)
    modules = [module_or_modules] if single else list(module_or_modules)
    with one_thread(), torch.no_grad():
        unroll, top = run_forward(modules, inputs, state, dtype)
        T, S, _, H = top.shape
        if at is not None and not (isinstance(at, Integral) and -T <= at < T):
            raise ValueError(f"at={at!r}: expected {-T} to {T - 1} for {T} steps")
        if loss is None:
            output_grad = torch.zeros_like(top)
            output_grad[-1] = unit_vector(H, seed).to(top)
        else:
            grads = [_loss_grad(loss, top[:, s], modules[0], inputs.dim()) for s in range(S)]
            output_grad = torch.stack(grads, 1)
        if at is not None:
            share = output_grad[at].clone()
            output_grad.zero_()[at] = share
        unroll.backward(output_grad.mT)
        return unroll.tape(tuple(output_grad.flatten(1).ne(0).any(1).nonzero().flatten().tolist()))


def run_forward(
    modules: Sequence[Module], inputs: Tensor, state: Tensor | tuple[Tensor, Tensor] | None, dtype: torch.dtype
) -> tuple[Unroll, Tensor]:
    """Unroll modules over inputs; return that and the top layer's states, (T, S, B, H). Raises as `record`."""
    _refuse_unsupported(modules)
    first = modules[0]
    if dtype not in (torch.float32, torch.float64):
        raise ValueError(f"dtype={dtype}: expected torch.float64, or torch.float32, whose smallest number is 1e-38")
    if not isinstance(inputs, Tensor):
        raise ValueError(f"inputs={type(inputs).__name__}: expected a tensor; packed sequences are not supported")
    if inputs.dim() not in (2, 3) or inputs.shape[-1] != first.input_size or not inputs.numel():
        layout = "batch, time" if first.batch_first else "time, batch"
        raise ValueError(f"inputs of shape {tuple(inputs.shape)}: expected ({layout}, {first.input_size})")
    weights = {
        name: torch.stack([getattr(module, name).detach().to("cpu", dtype) for module in modules])
        for name in _names(first)
    }
    like = weights["weight_hh_l0"]
    x = _time_first(inputs.detach().to(like), first)
    T, B, _ = x.shape
    unroll = Unroll(KINDS[_kind(first)], getattr(first, "nonlinearity", "tanh"), weights, T, B)
    unroll.start(_initial_state(state, first, len(modules), B, like, inputs.dim() == 3))
    return unroll, unroll.forward(x).mT


def _kind(module: nn.Module) -> type | None:
    return next((kind for kind in KINDS if isinstance(module, kind)), None)


def _refuse_unsupported(modules: Sequence[nn.Module]) -> None:
    if not modules:
        raise ValueError("no module: expected at least one nn.RNN, nn.LSTM or nn.GRU")
    for k, module in enumerate(modules):
        if _kind(module) is None:
            raise TypeError(f"{type(module).__name__}: expected nn.RNN, nn.LSTM or nn.GRU, or a list of one of them")
        if type(module).forward is not _kind(module).forward:
            raise TypeError(f"{type(module).__name__} has a forward of its own: expected {_kind(module).__name__}'s")
        if module.bidirectional:
            raise ValueError("bidirectional=True: not supported, a distance needs one direction of time")
        if module.proj_size:
            raise ValueError(f"proj_size={module.proj_size}: projections are not supported, expected 0")
        if _signature(module) != _signature(modules[0]):
            raise ValueError(f"module {k} is unlike module 0: expected the same kind, layout and shapes in all")


def _signature(module: Module) -> tuple:
    shapes = [(name, getattr(module, name).shape) for name in _names(module)]
    return _kind(module), module.batch_first, getattr(module, "nonlinearity", None), shapes


def _names(module: Module) -> list[str]:
    """Return torch's parameter names, which are a module's attributes whatever computes them (weight norm, pruning)."""
    parts = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")[: 4 if module.bias else 2]
    return [f"{part}_l{layer}" for layer in range(module.num_layers) for part in parts]


def _time_first(inputs: Tensor, module: Module) -> Tensor:
    """(T, B, D), from whatever layout the module takes."""
    if inputs.dim() == 2:
        return inputs.unsqueeze(1)
    return inputs.transpose(0, 1) if module.batch_first else inputs


def _own_layout(output: Tensor, module: Module, dimensions: int) -> Tensor:
    """The top layer's (T, B, H) as the module itself would return it."""
    if dimensions == 2:
        return output.squeeze(1)
    return output.transpose(0, 1) if module.batch_first else output


def _initial_state(
    state: Tensor | tuple[Tensor, Tensor] | None, module: Module, S: int, B: int, like: Tensor, batched: bool
) -> list[tuple[Tensor, ...]] | None:
    """h0, or (h0, c0), each (L, B, H) as torch has it, as `Unroll.start` takes it."""
    if state is None:
        return None
    parts = state if isinstance(state, tuple | list) else (state,)
    wanted = 2 if isinstance(module, nn.LSTM) else 1
    shape = (module.num_layers, B, module.hidden_size) if batched else (module.num_layers, module.hidden_size)
    if len(parts) != wanted or any(not isinstance(part, Tensor) or tuple(part.shape) != shape for part in parts):
        got = ", ".join(str(tuple(part.shape)) if isinstance(part, Tensor) else repr(part) for part in parts)
        expected = f"(h0, c0), both {shape}" if wanted == 2 else shape
        raise ValueError(f"state of shape {got}: expected {expected}")
    parts = [part.detach().to(like).reshape(module.num_layers, 1, B, -1).mT for part in parts]
    return [tuple(part[k].expand(S, -1, -1) for part in parts) for k in range(module.num_layers)]


def unit_vector(H: int, seed: int) -> Tensor:
    """Return the fixed random direction (H,) that a default loss projects on."""
    vector = torch.randn(H, generator=Generator().manual_seed(seed), dtype=torch.float64)
    return vector / vector.norm()


def _loss_grad(loss: Loss, top: Tensor, module: Module, dimensions: int) -> Tensor:
    """∂ℓ/∂output, (T, B, H), of the loss of one model's (T, B, H)."""
    with torch.inference_mode(False), torch.enable_grad():
        top = top.clone().to(module.weight_hh_l0.device).requires_grad_()
        try:
            value = loss(_own_layout(top, module, dimensions))
        except RuntimeError as error:
            error.add_note(f"record calls loss with an output in {top.dtype}; its argument dtype chooses another")
            raise
        if not isinstance(value, Tensor) or value.dim() > 1 or (value.dim() == 1 and len(value) != top.shape[1]):
            got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise ValueError(f"loss returned {got}: expected a loss per sample ({top.shape[1]},) or their sum")
        return gradient_of(value.sum(), top).cpu()


def gradient_of(loss: Tensor, output: Tensor) -> Tensor:
    """∂loss/∂output; a ValueError where the loss doesn't depend on it."""
    grad = torch.autograd.grad(loss, output, allow_unused=True)[0] if loss.requires_grad else None
    if grad is None:
        raise ValueError("loss doesn't depend on the output it was called with: expected a function of it")
    return grad
