"""One call of a recurrent layer in someone's own model: what it read, the weights it used, and its exact tape.

How the call came about, in a training loop or in one run of a model, isn't known here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from analysis.engine.layer import Memory
from analysis.engine.recording import Layout, Module, State, record, run_forward
from analysis.engine.unroll import Unroll, one_thread
from analysis.models.plain import layer_of, plain_layer, weights_used
from analysis.results import Tape

Gradients = Sequence[Tensor | None]  # by what a call returned: output, h_n and an LSTM's c_n; None where unused


@dataclass(frozen=True)
class Call:
    """What one call of a layer read: its inputs, its initial state, and the weights as that call used them.

    The tensors are no copies; inputs and state have no graph.
    """

    module: Module
    inputs: Tensor | PackedSequence
    state: State | None
    weights: tuple[Tensor, ...]

    @classmethod
    def of(cls, module: nn.Module, args: tuple, kwargs: dict[str, Any], layer: Module) -> Self:
        """Return the call that has just been made of a layer, or of a cell as of a `layer` that reads one time step.

        A weight that a parametrization computes is new at each reading, and may draw random numbers. So the weights
        are those that the layer itself keeps from its last call.
        """
        given: dict[str, Any] = dict(zip(("input", "hx"), args, strict=False)) | kwargs
        inputs: Any = given["input"]
        state = _detached_state(given.get("hx"))
        if isinstance(module, nn.RNNCellBase):
            inputs = inputs.unsqueeze(0)
            if state is not None:
                state = (
                    state.unsqueeze(0) if isinstance(state, Tensor) else (state[0].unsqueeze(0), state[1].unsqueeze(0))
                )
        inputs = inputs.detach() if isinstance(inputs, Tensor) else inputs._replace(data=inputs.data.detach())
        return cls(layer, inputs, state, tuple(weights_used(module)))

    @property
    def unrolled(self) -> bool:
        """Whether the engine unrolls such a call as it is; `record` takes the other kinds, as far as it can."""
        return isinstance(self.inputs, Tensor) and not self.module.bidirectional and not self.module.proj_size

    @property
    def batch_axis(self) -> int:
        """The axis of inputs and outputs that is the batch."""
        return 0 if self.module.batch_first else 1

    @property
    def time_axis(self) -> int:
        """The axis of inputs and outputs that is time."""
        return 1 if self.module.batch_first and _data(self.inputs).dim() == 3 else 0

    @property
    def steps(self) -> int:
        """The time steps of the longest sequence."""
        return self.inputs.shape[self.time_axis] if isinstance(self.inputs, Tensor) else len(self.inputs.batch_sizes)

    @property
    def one_step(self) -> bool:
        """Whether the inputs are of a single time step, and not packed."""
        return isinstance(self.inputs, Tensor) and self.steps == 1

    def plain(self) -> Module:
        """Return a layer of torch's own kind that holds the weights of this call; this draws no random numbers."""
        return plain_layer(self.module, self.weights)

    def sequences(self, places: Tensor) -> Self:
        """Return the same call on some sequences of the batch, given by their places in it."""
        state = self.state
        if isinstance(state, Tensor):
            state = state[:, places]
        elif state is not None:
            h, c = state
            state = h[:, places], c[:, places]
        if isinstance(self.inputs, Tensor):
            return replace(self, inputs=self.inputs.index_select(self.batch_axis, places), state=state)
        return replace(self, inputs=_packed_sequences(self.inputs, places), state=state)

    def gradients_of(self, grads: Gradients, places: Tensor) -> Gradients:
        """Return the gradients by what the call returned, of some sequences of the batch."""
        output, *states = grads
        if output is not None:
            if isinstance(self.inputs, Tensor):
                output = output.index_select(self.batch_axis, places)
            else:
                output = _packed_sequences(self.inputs._replace(data=output), places).data
        return [output, *(None if grad is None else grad.index_select(1, places) for grad in states)]

    def before_the_end(self, grads: Gradients, backward: bool = False) -> Tensor:
        """Return how many time steps before its end each sequence's last one that is read lies, (B,).

        Steps count in the order of reading of the forward or the `backward` direction, and what is read is that
        direction's own: final states are read at its end. It is the number of all time steps, where none is read.
        """
        output, *states = grads
        layout, own = Layout.of(self.module, _data(self.inputs)), self.module.proj_size or self.module.hidden_size
        packed = self.inputs if isinstance(self.inputs, PackedSequence) else None
        if packed is None:
            T, B = layout.to_engine(self.inputs).shape[:2]
            lengths = torch.full((B,), T)
        else:
            padded, lengths = pad_packed_sequence(packed)
            T, B = padded.shape[:2]
        device = _data(self.inputs).device
        read, steps = torch.zeros(T, B, dtype=torch.bool, device=device), torch.arange(T, device=device).unsqueeze(1)
        if output is not None:
            whole = layout.to_engine(output) if packed is None else pad_packed_sequence(packed._replace(data=output))[0]
            read |= whole[..., own * backward : own * (1 + backward)].ne(0).any(2)
        ends = torch.zeros(B, dtype=torch.long, device=device) if backward else lengths.to(device) - 1
        for grad in (grad for grad in states if grad is not None):
            by_layer = grad.reshape(len(grad), B, -1)[int(backward) :: 1 + self.module.bidirectional]
            read[ends, torch.arange(B, device=device)] |= by_layer.ne(0).any(2).any(0)
        return torch.where(read, steps if backward else ends - steps, T).amin(0)


def _packed_sequences(packed: PackedSequence, places: Tensor) -> PackedSequence:
    """Return some sequences of a packed batch, given by their places in it."""
    padded, lengths = pad_packed_sequence(packed)
    return pack_padded_sequence(padded[:, places], lengths[places.cpu()], enforce_sorted=False)


@dataclass(frozen=True)
class LossGradients:
    """The loss's gradients by what a call returned, in the engine's order."""

    output: Tensor  # ∂ℓ/∂output, (T, B, H)
    final: list[Memory]  # ∂ℓ/∂h_n, and an LSTM's ∂ℓ/∂c_n, by layer, (1, H, B) each

    @classmethod
    def of(cls, module: Module, grads: Gradients, top: Tensor) -> Self:
        """Convert gradients from a module's layout; `top` are the top layer's states, (T, 1, B, H)."""
        T, _, B, H = top.shape
        output = top.new_zeros(T, B, H)
        if (grad := grads[0]) is not None:
            output += Layout.of(module, grad).to_engine(grad.to(top))
        states = [None if grad is None else grad.to(top).reshape(-1, 1, B, H).mT for grad in grads[1:]]  # (L, 1, H, B)
        zero = top.new_zeros(1, H, B)
        return cls(
            output,
            [tuple(zero if grad is None else grad[k] for grad in states) for k in range(module.num_layers)],
        )

    def steps(self) -> list[int]:
        """Return the time steps that the loss reads; final states are read at the last."""
        return self.reads().any(1).nonzero().flatten().tolist()

    def reads(self) -> Tensor:
        """Return whether the loss reads a sample's time step, (T, B); final states are read at the last."""
        read = self.output.ne(0).any(2)
        for grad in (grad for memory in self.final for grad in memory):
            read[-1] |= grad[0].ne(0).any(0)
        return read

    def share(self, t: int) -> Self:
        """Return what the loss reads at time step t alone; final states belong to the last."""
        output = torch.zeros_like(self.output)
        output[t] = self.output[t]
        if t % len(output) == len(output) - 1:
            return replace(self, output=output)
        return replace(self, output=output, final=[tuple(map(torch.zeros_like, memory)) for memory in self.final])

    def top_layer(self) -> int:
        """Return the highest layer that the loss reads: a lower one where it reads nothing but that one's h_n."""
        L = len(self.final)
        if self.output.ne(0).any():
            return L - 1
        read = [k for k, memory in enumerate(self.final) if any(grad.ne(0).any() for grad in memory)]
        return max(read, default=L - 1)


def unroll_call(call: Call, dtype: torch.dtype) -> tuple[Unroll, Tensor]:
    """Run a call again in the engine; return the unroll and the top layer's states, (T, 1, B, H).

    Raises:
        TypeError, ValueError: as `record`, for layers and inputs that the engine can't unroll.
    """
    assert isinstance(call.inputs, Tensor)
    with one_thread(), torch.no_grad(), torch.autocast("cpu", enabled=False):
        return run_forward([call.plain()], call.inputs, call.state, dtype)


def go_back(unroll: Unroll, grads: LossGradients) -> None:
    """Propagate the loss's gradients back through an unrolled call."""
    with one_thread(), torch.no_grad(), torch.autocast("cpu", enabled=False):
        unroll.backward(grads.output.unsqueeze(1).mT, grads.final)


def tape_of_call(
    call: Call,
    grads: Gradients,
    at: int | None,
    dtype: torch.dtype,
    **of_layers: Any,  # noqa: ANN401
) -> Tape:
    """Return the tape of a call, given the loss's gradients by what it returned.

    Args:
        call: of any kind that `record` takes.
        grads: in the module's layout; of a packed output, by its data.
        at: keep only the share of this time step (-1 = the last); None keeps all.
        dtype: what the engine computes in.
        of_layers: what else `record` takes of a layer.

    Raises:
        TypeError, ValueError: as `record`.
    """
    if of_layers or not call.unrolled:
        with torch.autocast("cpu", enabled=False):
            grad = _with_final_states(call, grads)
            inputs: Any = call.inputs
            return record(
                call.plain(), inputs, lambda output: (_data(output) * grad.to(_data(output))).sum(),
                state=call.state, at=at, dtype=dtype, **of_layers,
            )  # fmt: skip
    unroll, top = unroll_call(call, dtype)
    T = len(top)
    if at is not None and not -T <= at < T:
        raise ValueError(f"at={at!r}: expected {-T} to {T - 1} for {T} steps")
    back = LossGradients.of(call.module, grads, top)
    if at is not None:
        back = back.share(at)
    go_back(unroll, back)
    return replace(unroll.tape(tuple(back.steps())), reads=back.reads().numpy())


def _data(output: Tensor | PackedSequence) -> Tensor:
    """Return an output, or a packed one's data."""
    return output if isinstance(output, Tensor) else output.data


def _with_final_states(call: Call, grads: Gradients) -> Tensor:
    """Return ∂ℓ/∂output with ∂ℓ/∂h_n of the top layer added at the last time step that each direction reads.

    Raises:
        ValueError: where the loss reads c_n, or h_n of a lower layer, which aren't in the output.
    """
    module, (output, h_n, *c_n) = call.module, grads
    packed = call.inputs if isinstance(call.inputs, PackedSequence) else None
    if any(grad is not None and grad.ne(0).any() for grad in c_n):
        raise ValueError("the loss reads c_n: expected a layer of one direction, unprojected, on unpacked inputs")
    directions, units = 1 + module.bidirectional, module.proj_size or module.hidden_size
    if output is None:
        like = _data(call.inputs)
        output = like.new_zeros(*like.shape[:-1], directions * units)
    if h_n is None:
        return output
    by_layer = h_n.reshape(module.num_layers, directions, -1, units)  # (L, directions, B, P)
    if by_layer[:-1].ne(0).any():
        raise ValueError(
            "the loss reads h_n of a lower layer: expected a layer of one direction, unprojected, on unpacked inputs"
        )
    if packed is None:
        padded = Layout.of(module, output).to_engine(output).clone()  # (T, B, directions · P)
        lengths = torch.full(padded.shape[1:2], len(padded))
    else:
        padded, lengths = pad_packed_sequence(packed._replace(data=output))
    padded[lengths - 1, torch.arange(len(lengths)), :units] += by_layer[-1, 0].to(padded)
    if directions == 2:
        padded[0, :, units:] += by_layer[-1, 1].to(padded)
    if packed is None:
        return _data(Layout.of(module, output).from_engine(padded))
    again = pack_padded_sequence(padded, lengths, enforce_sorted=packed.sorted_indices is None)
    return again.data


def _detached_state(state: State | None) -> State | None:
    """Return an initial state without its graph."""
    if state is None or isinstance(state, Tensor):
        return None if state is None else state.detach()
    h, c = state
    return h.detach(), c.detach()


def require_recordable(module: nn.Module, dtype: torch.dtype) -> None:
    """Raise a TypeError or ValueError, as `record`, for a layer or cell that can't be recorded; nothing is drawn."""
    layer = layer_of(module)
    call = Call(layer, torch.zeros(1, 1, layer.input_size), None, tuple(weights_used(module)))
    tape_of_call(call, [None] * (2 + isinstance(layer, nn.LSTM)), None, dtype)


def returned_tensors(module: nn.Module, result: Any) -> list[Tensor | None]:  # noqa: ANN401
    """Return output, h_n and an LSTM's c_n of what a call returned; of a packed output its data, of a cell's None."""
    if isinstance(module, nn.RNNCellBase):
        return [None, *([result] if isinstance(result, Tensor) else result)]
    return [_data(result[0]), *(result[1] if isinstance(module, nn.LSTM) else result[1:])]
