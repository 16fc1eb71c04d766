"""A user's own module is measured as `record` and the measures have it."""

import subprocess
import sys

import numpy as np
import torch
from torch import nn

from analysis import gradient_decay, gradient_matrix, record
from analysis.models.files import read_weights
from analysis.models.layers import find_recurrent, to_module
from analysis.models.measuring import measure_module


def the_only_one(state):
    [stack] = find_recurrent(state)
    return stack


def test_a_file_written_by_code_that_knows_nothing_of_goldfish(tmp_path):
    script = "import torch; torch.manual_seed(0); torch.save(torch.nn.LSTM(3, 9).state_dict(), 'lstm.pt')"
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
    torch.manual_seed(0)
    same, inputs = nn.LSTM(3, 9), torch.randn(4, 30, 3)
    module = to_module(the_only_one(read_weights((tmp_path / "lstm.pt").read_bytes(), "lstm.pt")))
    measured, tape = measure_module(module, inputs)
    by_hand = record(same, inputs.transpose(0, 1))
    assert tape == by_hand
    assert measured.decay == gradient_decay(by_hand)


def test_what_is_beyond_the_finite_range_is_measured_without_a_warning():
    stack = the_only_one({"weight_hh": torch.full((2, 2), 1e30), "weight_ih": torch.full((2, 1), 1e30)})
    module = to_module(stack, "relu")
    measured, _ = measure_module(module, torch.ones(2, 30, 1))
    assert measured.bounds.overflow_step is not None
    assert np.isnan(measured.decay.horizon)
    gradient_matrix(module, torch.ones(2, 30, 1))
