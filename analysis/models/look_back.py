"""look_back(module_or_model, inputs): how many of the last time steps a prediction needs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from analysis.answers import LookBack
from analysis.engine.batch import Numbers
from analysis.engine.recording import State
from analysis.engine.unroll import one_thread
from analysis.measures.look_back import measure_look_back
from analysis.models.outputs import ModelWindows, require_of_layer
from analysis.models.steps import Parts, Step, checked_steps
from analysis.models.whole import is_whole, unchanged
from analysis.models.windows import LayerWindows

SHARES = (0.1, 0.05, 0.01)


@torch.no_grad()
def look_back(
    module_or_model: nn.Module | Sequence[nn.Module],
    inputs: Any,  # noqa: ANN401
    shares: Sequence[float] = SHARES,
    state: State | None = None,
    *,
    lengths: Numbers | None = None,
    direction: str = "forward",
) -> LookBack:
    """Measure how many of the last time steps give nearly the prediction that the whole past gives.

    For each sequence and share it is the smallest window n from which on ‖y_n - y‖ <= share ‖y‖, where y is the
    prediction from the whole sequence and y_n that from its last n time steps alone. Of a whole model, y is its output
    (at the last time step, where it has one for each), which is its first tensor where it returns several; of layers
    themselves it is the top layer's last state. A window begins in the state in which the sequences begin, and once
    more in one that the network reached itself by reading another sequence: the one before in the batch, of a lone
    sequence itself. Windows up to 100 are all tried, longer ones in steps of 3 %.

    Of a bidirectional layer, `direction` is the one whose window is cut: forward keeps the last time steps, backward
    the first; the other direction reads the same time steps. The module, its mode, buffers and the global random states
    stay as they are.

    Args:
        module_or_model: as `record` takes it; also a model that holds nothing but cells. Lists are pooled.
        inputs: as `record` takes them. Of a whole model, each tensor or PackedSequence among them with as many time
            steps as the recurrent layer reads is cut, and so is what says the sequences' lengths, (B,) whole numbers.
        shares: of the prediction's size, between 0 and 1.
        state: of a layer, before the first time step, and before each window; None = zero. A whole model makes its own.
        lengths, direction: of a layer, as in `record`.

    Raises:
        TypeError, ValueError: for what `record` doesn't take, and inputs without the layer's time steps.

    >>> delay = nn.RNN(1, 5, nonlinearity="relu", bias=False)  # each unit hands its value to the next
    >>> _ = delay.weight_ih_l0.data.copy_(torch.eye(5)[:, :1])
    >>> _ = delay.weight_hh_l0.data.copy_(torch.eye(5).roll(1, 0).tril())
    >>> look_back(delay, torch.ones(40, 8, 1)).start.median
    array([5., 5., 5.])
    """
    if is_whole(module_or_model, cells=True):
        require_of_layer(state=state, lengths=lengths, direction=None if direction == "forward" else direction)
        with one_thread(), unchanged(module_or_model), torch.inference_mode(False), torch.no_grad():
            model = ModelWindows(module_or_model, inputs)
            whole = model.prediction(model.whole, model.length).double().cpu().numpy()
            return measure_look_back(model.predict, whole, model.length, shares, of_head=True)
    with one_thread():
        layers = LayerWindows.of(module_or_model, inputs, state, lengths, direction)
        T = int(layers.batch.lengths.max())
        return measure_look_back(layers.predict, layers.predict(T, False), T, shares, of_head=False)


@torch.no_grad()
def look_back_steps(step: Step, inputs: Tensor, state: Tensor | Parts, shares: Sequence[float] = SHARES) -> LookBack:
    """Measure how many of the last time steps a step of your own needs, as `look_back`.

    The prediction is the state's first part after the last time step.

    Args:
        step, inputs, state: as `record_steps` takes them; a window begins in `state` too.
        shares: of the prediction's size, between 0 and 1.

    Raises:
        TypeError, ValueError: as `record_steps`.
    """
    start, x = checked_steps(step, inputs, state, None)

    def read(steps: int, parts: Parts) -> Parts:
        """Return the parts of the state after the last time steps."""
        for column in x[len(x) - steps :]:
            returned = step(column, parts[0] if isinstance(state, Tensor) else parts)
            if isinstance(returned, tuple) and len(returned) == 2 and isinstance(returned[1], Mapping):
                returned = returned[0]
            parts = (returned,) if isinstance(returned, Tensor) else tuple(returned)
        return parts

    def predict(steps: int, reached: bool) -> np.ndarray:
        """Return the first part of the state after the last time steps, as real numbers."""
        first = read(steps, others if reached else start)[0]
        real = torch.view_as_real(first.resolve_conj()).flatten(-2) if first.is_complex() else first
        return real.double().cpu().numpy()

    devices = [x.device] if x.is_cuda else []
    with one_thread(), torch.random.fork_rng(devices):
        others = tuple(part.roll(1, 0) for part in read(len(x), start))
        return measure_look_back(predict, predict(len(x), False), len(x), shares, of_head=False)
