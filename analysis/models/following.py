"""Follow the calls of recurrent layers from outside: nothing stays attached to a layer or its model.

A hook of the layer's own would go along with `torch.save(model)` and `copy.deepcopy(model)`; and torch warns of hooks
for all modules where one is compiled. So while some layers are followed, torch's kinds of them are called through
a function that gives a layer its hook for the time of the call.
"""

import sys
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, TypeVar, cast
from weakref import finalize

import torch
from torch import Tensor, nn

from analysis.engine.modules import CELLS
from analysis.engine.recording import MODULES

Listener = Callable[[nn.Module, tuple, dict[str, Any], Any], None]  # layer or cell, args, kwargs, what it returned
F = TypeVar("F", bound=Callable[..., Any])

KINDS: tuple[type[nn.Module], ...] = (*MODULES.values(), *CELLS)
NEAR = 200  # nodes of autograd's graph that are looked at
_listeners: dict[int, list[Listener]] = {}  # by the layer's id


def uncompiled(function: F) -> F:
    """Decorate a function that torch.compile leaves alone where it is called from compiled code.

    This costs nothing where nothing is compiled: torch's compiler, which takes a second to import, isn't.
    """
    left_alone: list[Callable[..., Any]] = []

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> object:  # noqa: ANN401
        if "torch._dynamo" not in sys.modules:
            return function(*args, **kwargs)
        if not left_alone:
            left_alone.append(torch.compiler.disable(function))
        return left_alone[0](*args, **kwargs)

    return cast(F, run)


def follow(layer: nn.Module, listener: Listener) -> Callable[[], None]:
    """Call a listener after each call of a layer; return a function that ends this.

    The layer isn't kept alive. Calls of `layer.forward` itself aren't seen.
    """
    key = id(layer)
    if not _listeners:
        for kind in KINDS:
            setattr(kind, "__call__", _call)  # noqa: B010, mypy forbids the assignment
    if key not in _listeners:
        finalize(layer, _forget, key).atexit = False
    _listeners.setdefault(key, []).append(listener)

    def stop() -> None:
        if listener in _listeners.get(key, []):
            _listeners[key].remove(listener)
            if not _listeners[key]:
                _forget(key)

    return stop


def depends_on(tensor: object, earlier: Iterable[Tensor]) -> bool:
    """Return whether autograd goes from a tensor back through one of some earlier ones; near ones are found alone."""
    wanted = {part.grad_fn for part in earlier if part.grad_fn is not None}
    nodes = [tensor.grad_fn] if isinstance(tensor, Tensor) else []
    for node in nodes:  # which grows
        if node in wanted:
            return True
        if node is not None and len(nodes) < NEAR:
            nodes += [below for below, _ in node.next_functions]
    return False


def _forget(key: int) -> None:
    """Forget the listeners of a layer; where none is left, torch's kinds are called as before."""
    if _listeners.pop(key, None) is not None and not _listeners:
        for kind in KINDS:
            if vars(kind).get("__call__") is _call:
                delattr(kind, "__call__")


@uncompiled
def _call(self: nn.Module, *args: Any, **kwargs: Any) -> object:  # noqa: ANN401
    """Call a layer, and tell its listeners what it was called with and returned."""
    listeners = tuple(_listeners.get(id(self), ()))
    # The first hooks after forward: they get what hooks before it made of the arguments, and what forward returned.
    handles = [self.register_forward_hook(each, with_kwargs=True, prepend=True) for each in listeners]
    if listeners and isinstance(self, nn.LSTMCell):
        handles.append(self.register_forward_hook(_part_states, prepend=True))
    try:
        return nn.Module.__call__(self, *args, **kwargs)
    finally:
        for handle in handles:
            handle.remove()


def _part_states(cell: nn.Module, args: tuple, returned: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Return an nn.LSTMCell's c as a tensor of its own: torch may have made h from the one that it returns.

    The gradient by it is then what its later readers send back, without the path through h.
    """
    h, c = returned
    return h, c.clone()
