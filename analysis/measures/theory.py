"""Theory beside measurement: how fast the gradient of a wide untrained network should decay.

The theory of gated cells is in `mean_field`. All of it is for wide networks; at 32 units single models differ from it.
"""

from collections.abc import Sequence
from math import log, pi, sqrt

import numpy as np
import torch
from torch import Tensor

from analysis.engine.initialization import initial_weights
from analysis.engine.unroll import cut_distance
from analysis.experiment import KEEP_GATE, Experiment, validated
from analysis.measures.mean_field import GATES, UNITS, Drive, growth_rate, mean_square_curve, sample_moments
from analysis.reasons import Prediction
from analysis.results import SMALLEST
from analysis.sources import with_own_length
from analysis.tasks.registry import build_task
from analysis.tasks.task import Task

UNIFORM = 1 / 3  # times H: the variance of weights from U(-1/√H, 1/√H), torch's default
Variances = tuple[float, float]  # over units of what lasts, and of what changes from one time step to the next
NO_DERIVATION = {
    "relu": "for relu there is no theory here: the mean of its state isn't zero",
    "identity": "without tanh there is no theory here of a cell with gates",
}


def predicted_rate(
    cell: str, weight_variance: float, input_variance: float, bias_variance: float = 0.0, gate_bias: float = 0.0
) -> float:
    """Return the slope of ln E‖g_k‖² per time step, twice the rate of the norm, of a wide network with tanh.

    The recurrent weights are tied, N(0, weight_variance / H); each unit, and each gate of it, gets inputs of variance
    input_variance, new at each time step, and a bias of variance bias_variance that stays.

    An RNN's is ln χ with χ = σ²E[tanh'(√q z)²], where q = σ²E[tanh²(√q z)] + ν² + ρ² is the variance of its
    pre-activation and z is standard normal (Chen, Pennington & Schoenholz 2018); σ², ν², ρ² are the three variances.
    That of an LSTM or GRU, by sampled gates, is derived in `analysis.measures.mean_field`; it takes gates as
    independent from one time step to the next, but for what lasts. At zero input and bias it is 2 ln(f + σ/4) for an
    LSTM and 2 ln(z + σ(1 - z)/2) for a GRU, with f and z = logistic(gate_bias). Where biases differ, the few units
    that keep best decide the slope far back.

    Networks of 512 units decay at this slope within 0.03, 40 to 80 time steps back. Two kinds lie further off: an RNN
    with hardly any input is almost linear, so that its width matters (0.07); an LSTM with large weights and a forget
    bias of 3 changes too slowly for what is assumed (0.06).

    Args:
        cell: rnn, lstm or gru.
        weight_variance: σ², H times the variance of a recurrent weight.
        input_variance: ν² of each unit's and gate's input.
        bias_variance: ρ² of each unit's and gate's bias.
        gate_bias: added to the bias of the LSTM's forget gate or the GRU's update gate (positive keeps).

    Raises:
        ValueError: for another cell, a variance that is negative or not finite, and a gate bias in an RNN.

    >>> round(predicted_rate("rnn", 0.25, 0.0), 3), round(predicted_rate("gru", 1.0, 0.0), 2)
    (-1.386, -0.58)
    """
    validated("cell", cell)
    variances = {"weight": weight_variance, "input": input_variance, "bias": bias_variance}
    for name, value in variances.items():
        if not 0 <= value < np.inf:
            raise ValueError(f"{name}_variance={value!r}: expected a finite number from 0 on")
    if not np.isfinite(gate_bias):
        raise ValueError(f"gate_bias={gate_bias!r}: expected a finite number")
    if cell not in KEEP_GATE:
        if gate_bias:
            raise ValueError(f"gate_bias={gate_bias!r}: an RNN has no gate: expected 0")
        return _log(_rnn_growth(weight_variance, input_variance + bias_variance)[0])
    bias = np.zeros((4, 1))
    bias[GATES[cell].index(KEEP_GATE[cell])] = gate_bias
    reads = _reads_input(cell)
    drive = Drive(bias, bias_variance * reads, input_variance * reads)
    return growth_rate(sample_moments(cell, weight_variance, drive), weight_variance)


def predicted_decay(experiment: Experiment) -> Prediction:
    """Predict the decay of the memory state's gradient in an experiment's untrained models, in the top layer.

    The variance of the inputs is that of the task's measuring batch through torch's input weights. What is the same at
    each time step (biases, the mean input) lasts, the rest is taken as new at each. With a linear RNN whose recurrent
    weights are orthogonal or the identity, E‖g_k‖² is gain^{2k}, exact in every model. Truncation leaves one window.
    """
    experiment = with_own_length(experiment)
    task = build_task(experiment)
    bound = _bound(experiment, task)
    if reason := _why_not(experiment):
        none = np.empty(0)
        return Prediction("", "", none, none, none, np.nan, bound, reason)
    if experiment.cell not in KEEP_GATE:
        name, assumption, curve = _predict_rnn(experiment, task)
    else:
        name, assumption, curve = _predict_gated(experiment, task)
    distance = np.arange(task.length)
    if cut := cut_distance(experiment.truncate, task.length):  # the last window is left as it was
        curve = np.where(distance < cut, curve, -np.inf)
    shown = curve / 2 >= log(SMALLEST)  # the distances over which a measured curve is fitted
    rate = float(np.polyfit(distance[shown], curve[shown] / 2, 1)[0]) if shown.sum() > 1 else np.nan
    with np.errstate(over="ignore"):
        return Prediction(name, assumption, distance, np.exp(curve), np.exp(curve / 2), rate, bound)


def gradient_bound(weights: Tensor, slope: float = 1.0) -> float:
    """Return ln(γ σ_max(W)), the most by which a gradient's norm can grow per time step, in nats.

    ‖∂h_T/∂h_{T-k}‖ <= (γ σ_max(W))^k (Pascanu, Mikolov & Bengio 2013). It takes the largest singular value: with the
    largest eigenvalue it is false, a nilpotent W lets gradients grow first.

    Args:
        weights: recurrent weights of an RNN, (..., H, H); of several, the largest bound.
        slope: γ, the largest slope of the activation: 1 for tanh, relu and identity, 1/4 for the logistic function.
    """
    return _log(slope * float(torch.linalg.matrix_norm(weights.detach().double(), 2).max()))


def _why_not(experiment: Experiment) -> str | None:
    """Return why there is no theory for an experiment's settings; None where there is."""
    gated, activation = experiment.cell in KEEP_GATE, experiment.activation
    if activation == "relu" or (gated and activation != "tanh"):
        return NO_DERIVATION[activation]
    if experiment.init == "identity" and activation == "tanh":
        return "with recurrent weights of the identity units don't mix: there is no mean over many to compute with"
    return None


def _bound(experiment: Experiment, task: Task) -> float:
    """Return the bound of an RNN's models as they start; NaN for a cell with gates."""
    if experiment.cell in KEEP_GATE:
        return np.nan
    weights, _ = initial_weights(experiment, task.inputs, task.outputs, task.vocabulary)
    return gradient_bound(weights[f"weight_hh_l{experiment.layers - 1}"])


def _predict_rnn(experiment: Experiment, task: Task) -> tuple[str, str, np.ndarray]:
    """Return the name and assumption of the theory of an RNN, and ln E‖g_k‖² by distance."""
    variance, distance = _weight_variance(experiment), np.arange(task.length)
    if experiment.activation == "identity":
        exact = experiment.init in ("orthogonal", "identity")
        assumption = "no activation: exact in every model" if exact else "no activation, many units"
        return "linear network", assumption, distance * log(variance)
    lasting, changing = _input_variances(experiment, task)
    total = lasting + changing
    for _ in range(experiment.layers):
        growth, hidden = _rnn_growth(variance, total + _bias_variance(experiment, 2))
        total = hidden * UNIFORM
    return "mean field", "many units, random weights", distance * _log(growth)


def _rnn_growth(weight_variance: float, given: float) -> tuple[float, float]:
    """Return χ of an RNN with tanh and E h², for inputs and biases of variance `given` in all."""
    t = np.linspace(-1, 1, 2001)
    z = 8 * t**3  # dense near 0, where tanh(√q z) is steep
    weight = np.exp(-z * z / 2) * 24 * t**2 * (t[1] - t[0]) / sqrt(2 * pi)

    def hidden_square(q: float) -> float:
        return float(weight @ np.tanh(sqrt(q) * z) ** 2)

    low, high = 0.0, given + weight_variance  # of q: below the fixed point the next value is larger, above it smaller
    for _ in range(60):
        middle = (low + high) / 2
        larger = weight_variance * hidden_square(middle) + given > middle
        low, high = (middle, high) if larger else (low, middle)
    slope_square = float(weight @ np.cosh(np.minimum(sqrt(high) * abs(z), 300)) ** -4)
    return weight_variance * slope_square, hidden_square(high)


def _predict_gated(experiment: Experiment, task: Task) -> tuple[str, str, np.ndarray]:
    """Return the name and assumption of the theory of an LSTM or GRU, and ln E‖g_k‖² by distance."""
    variance = _weight_variance(experiment)
    given = _input_variances(experiment, task)
    for _ in range(experiment.layers):
        moments = sample_moments(experiment.cell, variance, _drive(experiment, given))
        product = moments.hidden_product
        given = product * UNIFORM, (moments.hidden_square - product) * UNIFORM
    name = "mean field, a mixture of gates" if experiment.init == "chrono" else "mean field with tied weights"
    return (
        name,
        "many units, random weights and gates",
        mean_square_curve(moments, variance, task.length),
    )


def _weight_variance(experiment: Experiment) -> float:
    """Return H times the mean square of a recurrent weight; with orthogonal weights all that is derived stays true."""
    return experiment.gain**2 * (1 if experiment.init in ("orthogonal", "identity") else UNIFORM)


def _bias_variance(experiment: Experiment, vectors: int) -> float:
    """Return the variance of the sum of torch's bias vectors, so many of them."""
    return vectors * UNIFORM / experiment.hidden_size


def _input_variances(experiment: Experiment, task: Task) -> Variances:
    """Return the variance over units of the first layer's input: of its mean over time, and of the rest."""
    batch = task.measuring()
    inputs = batch.inputs
    if task.vocabulary:  # words, whose embeddings are N(0, 1)
        T, B = inputs.shape
        counts = torch.zeros(B, task.vocabulary).scatter_add_(1, inputs.T, torch.ones(B, T))
        lasting = task.inputs * float((counts / T).square().sum(1).mean())
        total = float(task.inputs)
    else:
        steps = torch.full(inputs.shape[1:2], len(inputs)) if batch.lengths is None else batch.lengths
        read = inputs * (torch.arange(len(inputs)).unsqueeze(-1) < steps).unsqueeze(-1)  # without padding
        lasting = float((read.sum(0) / steps.unsqueeze(-1)).square().sum(-1).mean())
        total = float((read.square().sum((0, 2)) / steps).mean())
    each = UNIFORM / experiment.hidden_size
    return lasting * each, max(total - lasting, 0.0) * each


def _drive(experiment: Experiment, given: Variances) -> Drive:
    """Return what each gate of a layer gets, from inputs of these variances and the biases of the experiment."""
    cell, H = experiment.cell, experiment.hidden_size
    names, reads = GATES[cell], _reads_input(cell)
    bias = np.zeros((len(names), UNITS))
    vectors = np.array([[1.0 if cell == "gru" and name in ("recalled", "candidate") else 2.0] for name in names])
    set_gates: Sequence[str] = ()
    if experiment.init == "chrono":
        longest = max(experiment.task_length - 1, 1)
        keep = np.log(np.linspace(1, longest, 2 * UNITS + 1)[1::2])  # the middle of each of as many equal parts
        bias[names.index(KEEP_GATE[cell])] = keep
        set_gates = [KEEP_GATE[cell]]
        if cell == "lstm":
            bias[names.index("input")] = -keep
            set_gates = [*set_gates, "input"]
    elif experiment.forget_bias is not None:
        bias[names.index(KEEP_GATE[cell])] = experiment.forget_bias
        set_gates = [KEEP_GATE[cell]]
    for name in set_gates:
        vectors[names.index(name)] = 0
    return Drive(bias, vectors * UNIFORM / H + given[0] * reads, given[1] * reads)


def _reads_input(cell: str) -> np.ndarray:
    """Return 1 for the gates that read the input, (G, 1); what a GRU recalls, a = W_hn h, reads the state alone."""
    return np.array([[float(name != "recalled")] for name in GATES[cell]])


def _log(number: float) -> float:
    return log(number) if number > 0 else -np.inf
