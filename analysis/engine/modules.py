"""Modules that the engine can run: torch's recurrent layers and cells, taken out of what wraps them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from typing import Any

import torch
from torch import Tensor, nn

from analysis.engine.layer import PARAMETERS
from analysis.engine.layout import Module

MODULES: dict[str, type[Module]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
CELLS: dict[type[nn.RNNCellBase], str] = {nn.RNNCell: "rnn", nn.LSTMCell: "lstm", nn.GRUCell: "gru"}
QUANTISED = ("torch.ao.nn.quant", "torch.nn.quant", "torchao.")
EXPECTED = (
    "expected nn.RNN, nn.LSTM or nn.GRU, one of their cells, a list of one of them, or a model that holds some; "
    "analysis.record_steps takes a cell of your own"
)


def unwrapped(module: object) -> object:
    """Return the module inside DataParallel, DistributedDataParallel or torch.compile."""
    while True:
        if isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel):
            module = module.module
        elif isinstance(module, nn.Module) and isinstance(getattr(module, "_orig_mod", None), nn.Module):
            module = module._orig_mod
        else:
            return module


def cell_name(module: object) -> str:
    """Return rnn, lstm or gru; TypeError where a module is none of torch's three."""
    for name, kind in MODULES.items():
        if isinstance(module, kind):
            return name
    if type(module).__module__.startswith(QUANTISED):
        raise TypeError(
            f"{type(module).__name__} is quantised: expected the module of floating-point weights that it was made from"
        )
    name = f"the class {module.__name__} itself" if isinstance(module, type) else type(module).__name__
    raise TypeError(f"{name}: {EXPECTED}")


def plain_module(module: object) -> Module:
    """Return an nn.RNN, nn.LSTM or nn.GRU with the weights that a module's next forward pass uses.

    A module that isn't wrapped, and whose weights are plain parameters, is returned itself. Else a new one is: of a
    cell as of one layer; with weights of weight norm, spectral norm, pruning and other parametrizations as they are
    computed at this moment. The module, its buffers and the global random state stay as they are.

    Raises:
        TypeError: for another kind of module, and one with a forward of its own.
    """
    module = unwrapped(module)
    cell = next((name for kind, name in CELLS.items() if isinstance(module, kind)), None)
    name = cell or cell_name(module)
    assert isinstance(module, Module | nn.RNNCellBase)
    kind = next(kind for kind in (MODULES[name], *CELLS) if isinstance(module, kind))
    if type(module).forward is not kind.forward:
        raise TypeError(f"{type(module).__name__} has a forward of its own: expected {kind.__name__}'s")
    hooks = [hook for hook in module._forward_pre_hooks.values() if type(hook).__module__.startswith("torch.nn.utils")]
    if isinstance(module, Module):
        if not (hooks or nn.utils.parametrize.is_parametrized(module)):
            return module
        names = names_of(module)
    else:
        names = [*(PARAMETERS if module.bias else PARAMETERS[:2])]
    with torch.no_grad(), _undisturbed(module, names):
        for hook in hooks:
            hook(module, ())
        weights = [weight.detach().clone() for weight in _read_weights(module, names)]
    return of_weights(module, name, weights, as_layer=bool(cell))


def _read_weights(module: nn.Module, names: list[str]) -> list[Tensor]:
    """Return weights as a forward pass reads them: a layer may read a parametrization twice, and uses the last."""
    if not isinstance(module, Module):
        return [getattr(module, name) for name in names]
    module._update_flat_weights()  # torch has no public name for the weights that a forward pass uses
    read: dict[str, Any] = dict(zip(module._flat_weights_names, module._flat_weights, strict=True))
    return [read[name] for name in names]


@contextmanager
def _undisturbed(module: nn.Module, names: list[str]) -> Iterator[None]:
    """Restore afterwards what reading a module's weights may change: its buffers, weights, and random numbers."""
    buffers = [(part, name, value) for part in module.modules() for name, value in part.named_buffers(recurse=False)]
    plain = {name: vars(module)[name] for name in names if name in vars(module)}  # what hooks set
    flat = {name: copy(value) for name, value in vars(module).items() if name in ("_flat_weights", "_flat_weight_refs")}
    devices = {parameter.device for parameter in module.parameters() if parameter.is_cuda}
    with torch.random.fork_rng(list(devices)):
        try:
            for part, name, value in buffers:
                setattr(part, name, value.clone())
            yield
        finally:
            for part, name, value in buffers:
                setattr(part, name, value)
            for name, value in (plain | flat).items():
                setattr(module, name, value)


def of_weights(like: nn.Module, name: str, weights: list[Tensor], *, as_layer: bool = False) -> Module:
    """Return a new module like another, or of a cell as one layer, with weights in torch's order; nothing is drawn."""
    settings = {"bias": like.bias, "device": "meta", "dtype": weights[0].dtype}
    if name == "rnn":
        settings["nonlinearity"] = like.nonlinearity
    if not as_layer:
        settings |= {part: getattr(like, part) for part in ("num_layers", "batch_first", "bidirectional")}
        settings |= {"proj_size": like.proj_size} if like.proj_size else {}  # which torch's RNN and GRU refuse
    module = MODULES[name](like.input_size, like.hidden_size, **settings)
    for parameter, weight in zip(names_of(module), weights, strict=True):
        setattr(module, parameter, nn.Parameter(weight, requires_grad=False))
    return module


def names_of(module: Module) -> list[str]:
    """Return torch's parameter names; they are attributes of the module even under weight norm or pruning."""
    parts = [*(PARAMETERS if module.bias else PARAMETERS[:2]), *["weight_hr"] * bool(module.proj_size)]
    suffixes = ("", "_reverse")[: 1 + module.bidirectional]
    return [f"{part}_l{k}{suffix}" for k in range(module.num_layers) for suffix in suffixes for part in parts]


def plain_modules(module_or_modules: object) -> list[Module]:
    """Return a module, or several that run together, each by `plain_module`.

    Raises:
        TypeError: as `plain_module`.
        ValueError: where there is none, and unless all have the same kind, layout and shapes.
    """
    if not isinstance(module_or_modules, Sequence | nn.ModuleList):
        return [plain_module(module_or_modules)]
    plain = [plain_module(module) for module in module_or_modules]
    if not plain:
        raise ValueError("no module: expected at least one nn.RNN, nn.LSTM or nn.GRU")
    for k, module in enumerate(plain):
        if _signature(module) != _signature(plain[0]):
            raise ValueError(f"module {k} is unlike module 0: expected the same kind, layout and shapes in all")
    return plain


def _signature(module: Module) -> tuple:
    """Return kind, layout, activation and shapes, which must be equal in modules that run together."""
    shapes = [(name, getattr(module, name).shape) for name in names_of(module)]
    return cell_name(module), module.batch_first, getattr(module, "nonlinearity", None), shapes


def stacked_weights(modules: Sequence[Module], dtype: torch.dtype) -> dict[str, Tensor]:
    """Return the weights of all modules by torch's names, (S, ...), on the CPU."""
    return {
        name: torch.stack([getattr(module, name).detach().to("cpu", dtype) for module in modules])
        for name in names_of(modules[0])
    }
