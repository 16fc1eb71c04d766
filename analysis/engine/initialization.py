"""Initial weights of an ensemble: torch's default, orthogonal, identity, chrono, forget bias."""

import torch
from torch import Generator, Tensor

from analysis.engine.cells import LAYERS
from analysis.engine.layer import PARAMETERS
from analysis.experiment import KEEP_GATE, Experiment

Weights = dict[str, Tensor]  # torch's parameter names, readout.weight, readout.bias, embedding.weight; each (S, ...)


def initial_weights(
    experiment: Experiment, inputs: int, outputs: int, vocabulary: int | None = None, models: range | None = None
) -> tuple[Weights, list[Generator]]:
    """Draw the weights of the models; return them and the generators, which draw each model's data next.

    Each model has a generator of its own, seeded seed, seed + 1, …. The default is exactly what
    `torch.manual_seed(seed)`, then `nn.LSTM(D, H, L)`, `nn.Linear(H, O)` and, for words, `nn.Embedding(V, D)` give.

    Args:
        experiment: gives the cell, its sizes, init, gain, forget_bias and the seeds.
        inputs: D, the size of an input.
        outputs: O, the size of an answer.
        vocabulary: V, the number of word classes; None where the inputs are numbers, not words.
        models: which of the S models, from 0; None = all.
    """
    generators = [Generator().manual_seed(experiment.seed + k) for k in models or range(experiment.seeds)]
    drawn = [_draw_model(experiment, inputs, outputs, generator) for generator in generators]
    if vocabulary:
        for model, generator in zip(drawn, generators, strict=True):
            table = torch.empty(vocabulary, inputs, dtype=torch.float32)
            model["embedding.weight"] = table.normal_(generator=generator)
    return {name: torch.stack([model[name] for model in drawn]) for name in drawn[0]}, generators


def _draw_model(experiment: Experiment, inputs: int, outputs: int, generator: Generator) -> Weights:
    """Draw one model's recurrent layers and readout, in torch's order."""
    H = experiment.hidden_size
    bound = H**-0.5
    weights = {
        name: torch.empty(shape, dtype=torch.float32).uniform_(-bound, bound, generator=generator)
        for name, shape in _shapes(experiment, inputs, outputs).items()
    }
    for layer in range(experiment.layers):
        recurrent = weights[f"weight_hh_l{layer}"]
        for block in recurrent.split(H):
            if experiment.init == "orthogonal":
                torch.nn.init.orthogonal_(block, generator=generator)
            elif experiment.init == "identity":
                torch.nn.init.eye_(block)
        recurrent *= experiment.gain
        if experiment.init == "chrono":
            _set_chrono(weights, layer, experiment, generator)
        if experiment.forget_bias is not None:
            _set_gate_bias(weights, layer, experiment, KEEP_GATE[experiment.cell], experiment.forget_bias)
    return weights


def _shapes(experiment: Experiment, inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
    """Return the shape of one model's parameters, by name, in the order in which torch draws them."""
    H, rows = experiment.hidden_size, max(1, len(LAYERS[experiment.cell].gates)) * experiment.hidden_size
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in range(experiment.layers):
        by_part = ((rows, H if layer else inputs), (rows, H), (rows,), (rows,))
        shapes |= {f"{part}_l{layer}": shape for part, shape in zip(PARAMETERS, by_part, strict=True)}
    return {**shapes, "readout.weight": (outputs, H), "readout.bias": (outputs,)}


def _set_chrono(weights: Weights, layer: int, experiment: Experiment, generator: Generator) -> None:
    """Set b_keep = ln U(1, T_max - 1), and in an LSTM b_input = -b_keep.  Tallec & Ollivier (2018)."""
    longest = max(experiment.task_length - 1, 1)
    bias = torch.empty(experiment.hidden_size, dtype=torch.float32).uniform_(1, longest, generator=generator).log()
    _set_gate_bias(weights, layer, experiment, KEEP_GATE[experiment.cell], bias)
    if experiment.cell == "lstm":
        _set_gate_bias(weights, layer, experiment, "input", -bias)


def _set_gate_bias(weights: Weights, layer: int, experiment: Experiment, gate: str, value: Tensor | float) -> None:
    """Set the whole bias of a gate: bias_ih = value, bias_hh = 0."""
    k, H = LAYERS[experiment.cell].gates.index(gate), experiment.hidden_size
    weights[f"bias_ih_l{layer}"][k * H : (k + 1) * H] = value
    weights[f"bias_hh_l{layer}"][k * H : (k + 1) * H] = 0
