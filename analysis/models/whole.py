"""record(model, inputs): of recurrent layers themselves, and of one in a whole model by the loss of its own output."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeGuard

import numpy as np
import torch
from torch import Tensor, nn

from analysis.engine import recording
from analysis.engine.batch import Numbers
from analysis.engine.modules import CELLS, unwrapped
from analysis.engine.recording import MODULES, Module, State, require_finite, unit_vector
from analysis.models.calls import Gradients, tape_of_call
from analysis.models.loops import Calls
from analysis.results import Tape

KINDS = tuple(MODULES.values())
Loss = Callable[[Any], Tensor]  # called with what a layer or a whole model returns


def is_whole(module: object, *, cells: bool = False) -> TypeGuard[nn.Module]:
    """Return whether a module, or what is wrapped in it, is no recurrent layer, nor a list of them, but holds some."""
    inner = unwrapped(module)
    if not isinstance(inner, nn.Module) or isinstance(inner, (*KINDS, *CELLS, nn.ModuleList)):
        return False
    return bool(recurrent_layers(inner, cells=cells))


def recurrent_layers(model: nn.Module, *, cells: bool = False) -> dict[str, Any]:
    """Return the nn.RNN, nn.LSTM and nn.GRU in a model by their names in it, without those of wrappers, each once.

    With `cells`, its nn.RNNCell, nn.LSTMCell and nn.GRUCell too.
    """
    inner = unwrapped(model)
    assert isinstance(inner, nn.Module)
    kinds = (*KINDS, *CELLS) if cells else KINDS
    return {name: module for name, module in inner.named_modules() if isinstance(module, kinds)}


def describe_layers(layers: Mapping[str, Module]) -> str:
    """Return the names and sizes of layers, as in "encoder.rnn (LSTM, 3 inputs, 8 units)"."""
    return ", ".join(
        f"{name} ({type(layer).__name__}, {layer.input_size} inputs, {layer.hidden_size} units)"
        for name, layer in layers.items()
    )


def record(
    module_or_modules: nn.Module | Sequence[nn.Module],
    inputs: Any,  # noqa: ANN401
    loss: Loss | None = None,
    *,
    state: State | None = None,
    at: int | None = None,
    lengths: Numbers | None = None,
    resets: Numbers | None = None,
    direction: str = "forward",
    part: str | None = None,
    dtype: torch.dtype = torch.float64,
    seed: int = 0,
) -> Tape:
    """Run a recurrent layer, or a model that holds one, over inputs and back; return every state, gate and gradient.

    The model, its buffers and mode, and the global random states stay as they were. Dropout is left out. A whole model
    runs once, in eval mode. The gradients that the loss of its own output sends back into one layer are taken on from
    there, exactly. The tape is that layer's; with an embedding below, `input_grad` is by word.

    Args:
        module_or_modules: nn.RNN, nn.LSTM, nn.GRU or one of their cells, or S of them, alike in shape; or any other
            nn.Module with some layers or cells in it, called once or in a loop that hands the state on.
        inputs: of a layer (T, B, D), (B, T, D) with batch_first, (T, D), or packed. Of a whole model whatever it takes;
            a tuple holds several arguments.
        loss: called with the output as the layer, or the whole model, returns it; returns a loss per sample (B,) or
            their sum. None projects the layer's last hidden state on one fixed random unit vector.
        state: the initial state as a layer takes it; None = zero. A whole model makes its own.
        at: keep only the share of ∂ℓ/∂(the layer's output) at this time step (-1 = the last); None keeps all.
        lengths, resets, direction: of the layer, as in `analysis.engine.recording.record`.
        part: the layer's name in a whole model, such as "encoder.rnn", where it has several.
        dtype: what the engine computes in, torch.float64 or torch.float32.
        seed: of the random unit vector.

    Raises:
        TypeError, ValueError: for what can't be recorded, and a part that isn't in the model, is called neither once
            nor in a loop that hands the state on, reads its own answers, or isn't what the loss depends on.
    """
    if is_whole(module_or_modules, cells=True):
        if state is not None:
            raise ValueError("state: given for a whole model, expected for a recurrent layer itself alone")
        given = {"lengths": lengths, "resets": resets, "direction": None if direction == "forward" else direction}
        of_layers = {name: value for name, value in given.items() if value is not None}
        return _record_part(module_or_modules, inputs, loss, part, at, dtype, seed, **of_layers)
    if part is not None:
        raise ValueError(f"part={part!r}: it names a layer in a whole model, expected None for a layer itself")
    return recording.record(
        module_or_modules, inputs, loss, state=state, at=at, lengths=lengths, resets=resets, direction=direction,
        dtype=dtype, seed=seed,
    )  # fmt: skip


def _record_part(
    model: nn.Module,
    inputs: Any,  # noqa: ANN401
    loss: Loss | None,
    part: str | None,
    at: int | None,
    dtype: torch.dtype,
    seed: int,
    **of_layers: Any,  # noqa: ANN401
) -> Tape:
    """Record one layer of a whole model; see `record`."""
    inner = unwrapped(model)
    assert isinstance(inner, nn.Module)
    model = inner  # what torch.compile made of it holds none of the hooks
    name, layer = chosen_layer(model, part)
    calls = Calls(layer, name)
    with unchanged(model), torch.inference_mode(False), torch.enable_grad():
        model.eval()
        calls.follow()
        output = run_model(model, inputs if isinstance(inputs, tuple) else (inputs,))
        if loss is None:
            grads_of = partial(_last_projection, calls, seed, of_layers.get("direction") == "backward")
        else:
            grads_of = partial(_loss_grads, loss, output, name)
        call, grads = calls.joined(grads_of)
        if isinstance(call.inputs, Tensor):
            require_finite(call.inputs, f"inputs of {name}", "in its own layout")
    try:
        return tape_of_call(call, grads, at, dtype, **of_layers)
    except (TypeError, ValueError) as error:
        error.add_note(f"raised for {name} of {type(model).__name__}")
        raise


def run_model(model: nn.Module, args: tuple) -> Any:  # noqa: ANN401
    """Return what a model returns for arguments; its own error says what it was called with."""
    try:
        return model(*args)
    except Exception as error:
        given = ", ".join(str(tuple(arg.shape)) if isinstance(arg, Tensor) else type(arg).__name__ for arg in args)
        error.add_note(
            f"raised by {type(model).__name__} itself, called with {given}: a tuple holds several arguments, and "
            "arrays and lists are handed on as they are"
        )
        raise


def chosen_layer(model: nn.Module, part: str | None) -> tuple[str, Module]:
    """Return the layer that `part` names, or the only one, with its name."""
    layers = recurrent_layers(model, cells=True)
    if part is None and len(layers) == 1:
        return next(iter(layers.items()))
    if part not in layers:
        raise ValueError(f"part={part!r}: expected the name of one layer, {describe_layers(layers)}")
    return part, layers[part]


def _loss_grads(loss: Loss, output: Any, name: str, returned: Sequence[Tensor]) -> Gradients:  # noqa: ANN401
    """Return the gradients of the loss of a model's output by what a layer returned."""
    value = loss(output)
    if not isinstance(value, Tensor) or value.dim() > 1 or value.is_complex():
        got = f"{tuple(value.shape)} in {value.dtype}" if isinstance(value, Tensor) else type(value).__name__
        raise ValueError(f"loss returned {got}: expected a real loss per sample (B,) or their sum")
    if value.requires_grad:
        grads = torch.autograd.grad(value.sum(), returned, allow_unused=True)
        if any(grad is not None for grad in grads):
            return grads
    raise ValueError(f"loss doesn't depend on what {name} returned: expected a function of it")


def _last_projection(calls: Calls, seed: int, backward: bool, returned: Sequence[Tensor]) -> Gradients:
    """Return the gradients of the loss that projects the top layer's last h_n on a random unit vector."""
    grads: list[Tensor | None] = [None] * len(returned)
    place = len(returned) - len(calls.final_states)
    grad = torch.zeros_like(returned[place])
    top = grad if calls.of_cell else grad[-1 if backward else -1 - calls.calls[-1].module.bidirectional]
    top[:] = unit_vector(grad.shape[-1], seed).to(grad)
    grads[place] = grad
    return grads


@contextmanager
def unchanged(model: nn.Module) -> Iterator[None]:
    """Restore afterwards what a run of a model may change: modes, hooks, buffers, attributes, and random states.

    Attributes are restored as they were bound, lists and dicts with what they held. Those of the weights' values and
    gradients that a model changes in place are not: no ordinary one does.
    """
    modules = [(module, dict(vars(module))) for module in model.modules()]
    containers = [
        (value, value.copy()) for _, own in modules for value in own.values() if isinstance(value, list | dict)
    ]
    buffers = [(buffer, buffer.detach().clone()) for buffer in model.buffers()]
    devices = list({parameter.device for parameter in model.parameters() if parameter.is_cuda})
    states = random.getstate(), np.random.get_state()  # teacher forcing draws from these
    # cuDNN doesn't go back through a layer in eval mode.
    with torch.random.fork_rng(devices), torch.backends.cudnn.flags(enabled=False):
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])
            for module, own in modules:
                vars(module).clear()
                vars(module).update(own)
            for container, content in containers:
                container.clear()
                if isinstance(container, list):
                    container.extend(content)
                else:
                    container.update(content)
            with torch.no_grad():
                for buffer, value in buffers:
                    buffer.copy_(value)
