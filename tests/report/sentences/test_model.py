import numpy as np
import pytest
import torch
from torch import nn

from analysis.measures.memory import output_memory
from analysis.models.measuring import measure_module
from analysis.report.sentences.model import rate_sentence, reach_sentence

SENTENCES = [
    (3.0, 1.0, "RNN: the gradient grows ×3.87e8 over the whole sequence; the last"),
    (0.08, 1.0, "RNN: 1 % of the gradient is left 1 time step back; the last"),
    (0.005, 1.0, "RNN: less than 1 % of the gradient is left 1 time step back; the last"),
    (1.0, 1.0, "RNN: at least 1 % of the gradient is left over the whole sequence; the last"),
    (1e40, 1.0, "RNN: how far back the gradient reaches is not measurable. What the output depends on can't be"),
    (
        0.5,
        -1.0,
        "RNN: less than 1 % of the gradient is left 1 time step back. What the output depends on",
    ),
]


@pytest.mark.parametrize("weight, value, said", SENTENCES)
def test_reach_and_rate(weight, value, said):
    module, inputs = nn.RNN(1, 2, bias=False, nonlinearity="relu", batch_first=True).double(), torch.ones(2, 19, 1)
    with torch.no_grad():
        module.weight_hh_l0.copy_(weight * torch.eye(2))
        module.weight_ih_l0.fill_(value)
    found, memory = measure_module(module, inputs.double())[0].decay, output_memory(module, inputs.double())
    assert reach_sentence("rnn", found, memory).startswith(said)
    assert bool(rate_sentence(found)) == np.isfinite(found.rate)
