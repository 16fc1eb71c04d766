"""Plain layers in place of someone's own: torch's kinds, with the settings and the weights that a call used."""

from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor, nn

from analysis.engine.modules import CELLS, of_weights
from analysis.engine.recording import MODULES, Module, cell_name


def layer_of(module: nn.Module) -> Module:
    """Return a layer itself, or for a cell one of its kind and sizes, without weights.

    Raises:
        TypeError: for another kind of module, and a cell with a forward of its own.
    """
    for kind, name in CELLS.items():
        if isinstance(module, kind):
            if type(module).forward is not kind.forward:
                raise TypeError(f"{type(module).__name__} has a forward of its own: expected {kind.__name__}'s")
            options = {"nonlinearity": module.nonlinearity} if name == "rnn" else {}
            return MODULES[name](module.input_size, module.hidden_size, bias=module.bias, device="meta", **options)
    cell_name(module)
    assert isinstance(module, Module)
    return module


def weights_used(module: nn.Module) -> Iterator[Tensor]:
    """Yield the weights that a layer or a cell used in its last call, in torch's order.

    Raises:
        TypeError: where that can't be known.
    """
    weights: Any
    if isinstance(module, nn.RNNCellBase):
        if nn.utils.parametrize.is_parametrized(module):
            raise TypeError(f"the weights of {type(module).__name__} are parametrized: expected plain ones in a cell")
        weights = [module.weight_ih, module.weight_hh, *((module.bias_ih, module.bias_hh) if module.bias else ())]
    else:
        weights = module._flat_weights
    for weight in weights:
        if not isinstance(weight, Tensor):
            raise TypeError(f"a weight of {type(module).__name__} is {weight}: expected a tensor")
        yield weight


def plain_layer(module: Module, weights: Sequence[Tensor]) -> Module:
    """Return a layer of torch's own kind with a module's settings and with weights in torch's order.

    Raises:
        TypeError: for a module that is none of torch's three, or has a forward of its own.
    """
    kind = MODULES[cell_name(module)]
    if type(module).forward is not kind.forward:
        raise TypeError(f"{type(module).__name__} has a forward of its own: expected {kind.__name__}'s")
    return of_weights(module, cell_name(module), [weight.detach() for weight in weights])
