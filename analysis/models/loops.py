"""The calls of one layer or cell in a run of a model: one, or several that hand their state on, joined as one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from operator import is_
from typing import Any

import torch
from torch import Tensor, nn

from analysis.models.calls import Call, Gradients, returned_tensors
from analysis.models.following import uncompiled
from analysis.models.plain import layer_of

Grads = Callable[[Sequence[Tensor]], Sequence[Tensor | None]]  # by tensors that the layer returned


@dataclass
class Calls:
    """What a layer read and returned in each call, and what the model was given in place of what it returned.

    A state that a call hands to the next reaches it without a graph: so autograd finds in each call what the loss, and
    the rest of the model, send back to it, and the way through the state is left to the engine.
    """

    layer: nn.Module
    name: str
    calls: list[Call] = field(default_factory=list)
    returned: list[list[Tensor]] = field(default_factory=list)  # by call: output, unless of a cell, and final states
    _handed: list[Tensor] = field(default_factory=list)
    _inputs: list[Tensor] = field(default_factory=list)  # with their graphs
    _one_sequence: bool = True

    @property
    def of_cell(self) -> bool:
        """Whether the calls are a cell's, of one time step each."""
        return isinstance(self.layer, nn.RNNCellBase)

    @property
    def final_states(self) -> list[Tensor]:
        """What the last call returned as its state: h_n, and an LSTM's c_n."""
        return self.returned[-1][0 if self.of_cell else 1 :]

    def follow(self) -> None:
        """Follow the layer's calls from now on; its hooks are removed with whatever else a run of the model changed."""
        self.layer.register_forward_pre_hook(uncompiled(self._before), with_kwargs=True)
        self.layer.register_forward_hook(uncompiled(self._after), with_kwargs=True)

    def _before(self, _module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]] | None:
        """Take the graph from a state that the call before has handed on."""
        given = dict(zip(("input", "hx"), args, strict=False)) | kwargs
        state = given.get("hx")
        parts = [state] if isinstance(state, Tensor) else list(state or ())
        goes_on = bool(parts) and len(parts) == len(self._handed) and all(map(is_, parts, self._handed))
        if not goes_on:
            self._one_sequence &= not self.calls
            return None
        cut = [part.detach() for part in parts]
        return (given["input"], cut[0] if isinstance(state, Tensor) else tuple(cut)), {}

    def _after(self, module: nn.Module, args: tuple, kwargs: dict[str, Any], result: Any) -> Any:  # noqa: ANN401
        """Keep what a call read and returned; the model goes on with copies, which it may write to in place."""
        parts = [part for part in returned_tensors(module, result) if part is not None]
        # Views: an LSTMCell computes h from the very c that it returns, and the way through h is the engine's.
        returned = [part.view_as(part) if part.requires_grad else part.detach().requires_grad_() for part in parts]
        self.calls.append(Call.of(module, args, kwargs, layer_of(module)))
        self.returned.append(returned)
        read = (args[:1] or (kwargs.get("input"),))[0]
        self._inputs += [read] if isinstance(read, Tensor) else []
        copies = [part.clone() for part in returned]
        if isinstance(module, nn.RNNCellBase):
            self._handed = copies
            return tuple(copies) if isinstance(module, nn.LSTMCell) else copies[0]
        output, *self._handed = copies
        states = tuple(self._handed) if isinstance(module, nn.LSTM) else self._handed[0]
        return (output if isinstance(result[0], Tensor) else result[0]._replace(data=output)), states

    def joined(self, grads_of: Grads) -> tuple[Call, Gradients]:
        """Return the calls as one, and the gradients by output, h_n and an LSTM's c_n of that one.

        Raises:
            ValueError: where there is none, several are not one sequence, or more goes back into them than the engine
                can take on.
        """
        if len(self.calls) != 1:
            self._require_one_sequence()
        flat = grads_of([part for parts in self.returned for part in parts])
        width = len(self.returned[0])
        by_call = [self._of_layer(flat[k : k + width]) for k in range(0, len(flat), width)]
        call = self.calls[0]
        if len(self.calls) == 1:
            return call, by_call[0]
        outputs = [self._with_state(k, grads) for k, grads in enumerate(by_call[:-1])]
        last, *states = by_call[-1]
        output = torch.cat([*outputs, self._output(-1, last)], call.time_axis)
        inputs = torch.cat([each.inputs for each in self.calls], call.time_axis)  # type: ignore[misc]
        return replace(call, inputs=inputs), [output, *states]

    def _require_one_sequence(self) -> None:
        """Raise a ValueError unless each call goes on with the state that the call before handed on, and nothing else.

        Where later inputs depend on earlier outputs, as in a decoder that reads its own answers, the loss comes back
        through them too, and the engine knows nothing of that way.
        """
        layer = self.calls[0].module if self.calls else None
        said = f"the model calls {self.name} {len(self.calls)} times"
        plain = all(isinstance(call.inputs, Tensor) for call in self.calls)
        if layer is None or not self._one_sequence or not plain or layer.bidirectional:
            raise ValueError(
                f"{said} on these inputs: expected one call, or calls that hand h_n on, as it is, to the next; where a "
                "mask sets states to zero, record(layer, inputs, resets=…) of the layer itself"
            )
        if any(not all(map(is_, call.weights, self.calls[0].weights)) for call in self.calls):
            raise ValueError(f"{said}, which compute their weights anew: expected the same in all of them")
        later = [read.sum() for read in self._inputs[1:] if read.requires_grad]
        earlier = [part for parts in self.returned[:-1] for part in parts]
        if later and any(
            grad is not None
            for grad in torch.autograd.grad(sum(later), earlier, retain_graph=True, allow_unused=True)  # type: ignore[arg-type]
        ):
            raise ValueError(
                f"{said}, and its inputs depend on what it returned before: expected inputs that don't; "
                "analysis.record_steps takes such a loop as one step of its own"
            )

    def _of_layer(self, grads: Sequence[Tensor | None]) -> list[Tensor | None]:
        """Return a call's gradients by output, None for a cell, h_n and c_n, as of a layer."""
        if not self.of_cell:
            return list(grads)
        return [None, *(None if grad is None else grad.unsqueeze(0) for grad in grads)]

    def _with_state(self, k: int, grads: Sequence[Tensor | None]) -> Tensor:
        """Return a call's gradient by its output, with that by h_n at its last time step: that is the output there."""
        output, h_n, *c_n = grads
        if any(grad is not None and grad.ne(0).any() for grad in c_n):
            raise ValueError(f"the loss reads c_n of call {k + 1} of {self.name}: expected of the last call alone")
        if h_n is not None and h_n[:-1].ne(0).any():
            raise ValueError(f"the loss reads h_n of a lower layer after call {k + 1} of {self.name}: expected the top")
        whole = self._output(k, output)
        if h_n is not None:
            whole.select(self.calls[k].time_axis, -1).add_(h_n[-1])
        return whole

    def _output(self, k: int, grad: Tensor | None) -> Tensor:
        """Return a gradient by a call's output; zero where there is none. It is a tensor of its own."""
        if grad is not None:
            return grad.clone()
        call = self.calls[k]
        assert isinstance(call.inputs, Tensor)
        units = call.module.proj_size or call.module.hidden_size
        return self.returned[k][0].new_zeros(*call.inputs.shape[:-1], units)
