import numpy as np
import pytest
import torch
from torch import nn

from analysis.models.look_back import look_back
from analysis.models.measuring import measure_module
from analysis.report.sentences.model import method_sentence, rate_sentence, reach_sentence

SENTENCES = [
    (3.0, 1.0, "RNN: the gradient grows ×3.87e8 over the whole sequence. Its output needs the whole sequence."),
    (0.08, 1.0, "RNN: 1 % of the gradient is left 1 time step back. The last time step decides"),
    (0.005, 1.0, "RNN: less than 1 % of the gradient is left 1 time step back. Its output needs nothing but the last"),
    (
        1.0,
        1.0,
        "RNN: at least 1 % of the gradient is left over the whole sequence. The last 10 time steps decide half of its "
        "output; to give it within 1 % takes the whole sequence.",
    ),
    (1e40, 1.0, "RNN: how far back the gradient reaches can't be measured. What the output depends on can't be"),
    (0.5, -1.0, "RNN: less than 1 % of the gradient is left 1 time step back. What the output depends on can't be"),
]


@pytest.mark.parametrize("weight, value, said", SENTENCES)
def test_reach_and_rate(weight, value, said):
    module, inputs = nn.RNN(1, 2, bias=False, nonlinearity="relu", batch_first=True).double(), torch.ones(2, 19, 1)
    with torch.no_grad():
        module.weight_hh_l0.copy_(weight * torch.eye(2))
        module.weight_ih_l0.fill_(value)
    found, past = measure_module(module, inputs.double())[0].decay, look_back(module, inputs.double())
    assert reach_sentence("rnn", found, past).startswith(said)
    assert bool(rate_sentence(found)) == np.isfinite(found.rate)


def test_of_a_file_it_says_what_is_measured_and_what_is_not_used():
    assert method_sentence(1, ()).endswith("weights alone hold no loss.")
    assert "Curves, gates and sizes are of the top one of 3 layers." in method_sentence(3, ())
    assert "are of layer 1, counted from 0, of 3 layers." in method_sentence(3, (), 1)
    assert method_sentence(1, ("a*", "b")).endswith(
        "Not used: a\\* and b; the inputs go straight into the recurrent layers."
    )
    assert "Not used: a, b, c and 2 more;" in method_sentence(1, tuple("abcde"))
