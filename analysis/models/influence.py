"""input_influence(module_or_model, inputs): how much each input moves the prediction, by distance and by column."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from analysis.answers import Influence
from analysis.engine.batch import Numbers
from analysis.engine.norms import norm
from analysis.engine.recording import State, unit_vector
from analysis.engine.unroll import one_thread
from analysis.models.outputs import ModelWindows, require_of_layer
from analysis.models.whole import is_whole, unchanged
from analysis.models.windows import LayerWindows

ALONE = "the model's prediction"
LARGEST = "the largest of the model's outputs"
PROJECTED = "the last state along one fixed random direction"
OWN_INPUTS, READ = "the model's inputs", "what the recurrent layer reads"
Found = tuple[Tensor, Tensor]  # inputs and ∂y/∂inputs, (T, B, D)


def input_influence(
    module_or_model: nn.Module | Sequence[nn.Module],
    inputs: Any,  # noqa: ANN401
    state: State | None = None,
    *,
    lengths: Numbers | None = None,
    direction: str = "forward",
) -> Influence:
    """Measure how much each input moves the prediction, by the distance to the last time step and by column.

    Of a whole model the prediction y is its output at the last time step: the number itself, or the largest of several,
    as of a classifier. Columns are those of the model's inputs; where these are no floating-point numbers, as of words,
    those that its recurrent layer reads. Of layers themselves, y is the last state along `record`'s fixed random
    direction. It is computed by torch's automatic differentiation. All else is as in `look_back`.

    Args:
        module_or_model, inputs, state, lengths, direction: as `look_back` takes them.

    Raises:
        TypeError, ValueError: as `look_back`.

    >>> total = nn.RNN(2, 1, nonlinearity="relu", bias=False)  # it adds up its first column
    >>> _ = total.weight_ih_l0.data.copy_(torch.tensor([[1.0, 0.0]])), total.weight_hh_l0.data.fill_(1)
    >>> found = input_influence(total, torch.rand(20, 4, 2))
    >>> found.shares, bool(found.size[0] == found.size[-1])
    (array([1., 0.]), True)
    """
    if not is_whole(module_or_model, cells=True):
        with one_thread(), torch.inference_mode(False), torch.enable_grad():
            layers = LayerWindows.of(module_or_model, inputs, state, lengths, direction)
            own, other = (_through_layers(layers, reached) for reached in (False, True))
            S = len(layers.modules)
            return _influence(PROJECTED, OWN_INPUTS, own, other, layers.batch.lengths.repeat(S), layers.backward)
    require_of_layer(state=state, lengths=lengths, direction=None if direction == "forward" else direction)
    with one_thread(), unchanged(module_or_model), torch.inference_mode(False), torch.enable_grad():
        model = ModelWindows(module_or_model, inputs)
        of, columns, own = _through_model(model, reached=False)
        _, _, other = _through_model(model, reached=True)
        return _influence(of, columns, own, other, model.lengths, backward=False)


def _through_layers(layers: LayerWindows, reached: bool) -> Found:
    """Return inputs and ∂y/∂inputs of layers, those of several modules one after the other, (T, S · B, D)."""
    states = layers.reached if reached else layers.start
    x = layers.batch.x.detach()
    grads: list[Tensor] = []
    for k, state in enumerate(states):
        leaf = x.clone().requires_grad_()
        last, _ = layers.run(k, leaf, layers.batch.lengths, tuple(part.detach() for part in state))
        grads += torch.autograd.grad((last @ unit_vector(last.shape[-1], 0)).sum(), leaf)
    return x.repeat(1, len(states), 1), torch.cat(grads, 1)


def _through_model(model: ModelWindows, reached: bool) -> tuple[str, str, Found]:
    """Return of what, by what, and the inputs and the gradient, (T, B, D).

    Raises:
        ValueError: where the prediction doesn't depend on the inputs through torch.
    """
    leaves: list[Tensor] = []
    place = next((k for k, arg in enumerate(model.args) if _can_have_gradient(model, arg)), None)

    def as_leaf(given: Tensor | PackedSequence) -> Tensor | PackedSequence:
        """Keep what a layer is given as a leaf of its own, and give it that."""
        values = given if isinstance(given, Tensor) else given.data
        leaves.append(values.detach().clone().requires_grad_())
        return leaves[-1] if isinstance(given, Tensor) else given._replace(data=leaves[-1])

    if place is None:
        output = model.run(model.args, reached=reached, replace=as_leaf)
    else:
        leaf = as_leaf(model.args[place])
        output = model.run((*model.args[:place], leaf, *model.args[place + 1 :]), reached=reached)
    y = model.prediction(output, model.length)
    chosen = y[:, 0] if y.shape[1] == 1 else y.amax(1)
    if not chosen.requires_grad:
        raise ValueError("the prediction doesn't depend on the inputs: expected a model that computes it by torch")
    grads = torch.autograd.grad(chosen.sum(), leaves)
    given = model.args[place] if place is not None else None
    axis = None if given is None else model.time_axis(given)
    found = tuple(_by_time(model, parts, given, axis) for parts in (leaves, grads))
    return ALONE if y.shape[1] == 1 else LARGEST, READ if place is None else OWN_INPUTS, (found[0], found[1])


def _can_have_gradient(model: ModelWindows, arg: object) -> bool:
    """Return whether an argument holds the inputs over time as floating-point numbers."""
    if isinstance(arg, PackedSequence):
        return arg.data.is_floating_point()
    return isinstance(arg, Tensor) and arg.is_floating_point() and model.time_axis(arg) is not None


def _by_time(model: ModelWindows, parts: Sequence[Tensor], given: Any, axis: int | None) -> Tensor:  # noqa: ANN401
    """Return what was read, or its gradient, as (T, B, D) in float64, where `given` is the model's argument or None."""
    T, B = model.length, len(model.lengths)
    first = given if given is not None else model.given
    values = parts[0].detach()
    if isinstance(first, PackedSequence):
        values = pad_packed_sequence(first._replace(data=values))[0]
    elif axis is not None:
        values = values.movedim(axis, 0)
    elif len(parts) > 1:  # a call for each time step
        values = torch.stack([part.detach().reshape(B, -1) for part in parts])
    elif model.batch_first:
        values = values.movedim(1, 0)
    return values.reshape(T, B, -1).double().cpu()


def _influence(of: str, columns: str, own: Found, other: Found, lengths: Tensor, backward: bool) -> Influence:
    """Return means over sequences by distance to each one's last time step."""
    x, gradient = (_by_distance(values, lengths, backward) for values in own)
    reached = _by_distance(other[1], lengths, backward)
    with np.errstate(over="ignore", invalid="ignore"):
        return Influence(
            of,
            columns,
            distance=np.arange(len(x)),
            gradient=np.nanmean(np.abs(gradient), 1),
            product=np.nanmean(np.abs(x * gradient), 1),
            size=np.nanmean(norm(gradient), 1),
            reached=np.nanmean(norm(reached), 1),
        )


def _by_distance(values: Tensor, lengths: Tensor, backward: bool) -> np.ndarray:
    """Return values (T, B, D) by distance to the last time step that is read; NaN before a sequence's first."""
    T = int(lengths.max())
    distance = torch.arange(T).unsqueeze(1)
    places = distance.expand(T, len(lengths)) if backward else lengths - 1 - distance
    found = values[places.clamp(min=0), torch.arange(len(lengths))].clone()
    found[distance.expand(T, len(lengths)) >= lengths] = torch.nan
    return found.numpy()
