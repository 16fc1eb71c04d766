"""The answers in words: each case is a network whose answer is known."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from analysis import input_influence, look_back, weights_in_force
from analysis.answers import Influence
from analysis.report.sentences.answers import (
    in_force_sentence,
    influence_sentence,
    look_back_sentence,
    measured_on,
    needs_sentence,
    time_scale_sentence,
    wanted_bias_sentence,
)
from tests.models.test_look_back import Head, delay_line, draw


def line(units):
    """A model that answers with the input of `units` - 1 steps before."""
    net = Head(delay_line(units), 1, every_step=True)
    with torch.no_grad():
        net.out.weight.copy_(torch.eye(units)[-1:])
        net.out.bias.zero_()
    return net


@pytest.mark.parametrize(
    "units, needs, windows, more",
    [
        (
            8,
            "The last 8 time steps decide half of its output; to give it within 1 % takes the last 8.",
            "8 / 8 / 8",
            "",
        ),
        (1, "Its output needs nothing but the last time step.", "1 / 1 / 1", " It uses nothing but its last value."),
        (40, "Its output needs the whole sequence.", "40 / 40 / 40", ""),
    ],
)
def test_of_a_delay_line(units, needs, windows, more):
    inputs = torch.tensor([1.0, 10.0])[:, None] * 1.3 ** torch.arange(40)[:, None, None]  # no two are alike
    found = look_back(line(units), inputs)
    assert needs_sentence(found) == needs
    said = (
        f"To give its prediction within 10 / 5 / 1 %, it needs {windows} time steps; from a state of its own {windows}."
    )
    assert look_back_sentence(found) == said + more
    assert measured_on(found) == "Measured on 2 sequences of 40 time steps."


def test_a_network_that_holds_on_to_what_it_read_before_is_told_to_begin_anew():
    """A latch keeps the first sign that it reads: begun where another sequence ended, it never answers as alone."""
    latch = nn.RNN(1, 1, bias=False).double()
    with torch.no_grad():
        latch.weight_hh_l0.fill_(3)
        latch.weight_ih_l0.fill_(1.5)
    inputs = torch.zeros(12, 2, 1).double()
    inputs[0, :, 0] = torch.tensor([1.0, -1.0])
    found = look_back(latch, inputs)
    said = look_back_sentence(found)
    assert "from a state of its own > 12 / > 12 / > 12. More than 12: begun where another sequence ended" in said
    assert said.endswith("or train on sequences that begin where others ended.") and "first state" in said
    assert "More than" not in look_back_sentence(look_back(line(8), draw(20, 6, 1).float()))


def test_a_window_of_one_step_is_worded_as_one():
    past = look_back(line(1), draw(20, 6, 1).float())
    assert not replace(past, reached=replace(past.reached, steps=past.reached.steps + 1)).last_alone
    assert needs_sentence(replace(past, reached=replace(past.reached, steps=past.reached.steps + 1))) == (
        "The last time step decides half of its output; to give it within 1 % takes no more than that one."
    )


def test_a_constant_is_said_and_so_is_what_cannot_be_measured():
    torch.manual_seed(0)
    net = Head(nn.LSTM(3, 4), 1, every_step=False).double()
    with torch.no_grad():
        net.out.weight.mul_(1e-4)
        net.out.bias.fill_(2)
    said = look_back_sentence(look_back(net, draw(20, 6, 3)))
    assert "It predicts nearly a constant: its predictions differ by" in said
    with torch.no_grad():
        net.out.weight.mul_(5e3)
    assert "so that much of what is within a share is what they have in common" in look_back_sentence(
        look_back(net, draw(20, 6, 3))
    )
    silent = look_back(nn.RNN(3, 4, bias=False), torch.zeros(20, 6, 3))
    assert look_back_sentence(silent).startswith("What the output depends on can't be measured")


def test_the_recipe_that_fills_both_biases_is_seen():
    module = nn.LSTM(3, 4)
    with torch.no_grad():
        for parameter in (module.bias_ih_l0, module.bias_hh_l0):
            parameter[4:8] = 1
        module.weight_hh_l0.copy_(torch.cat([scale * torch.eye(4) for scale in (0.5, 1, 2, 3)]))
    assert in_force_sentence(weights_in_force(module)) == (
        "The forget gate's bias in force is 2 (1 + 1): by itself it halves the memory in 5.46 time steps. Gain of the "
        "recurrent weights: input 0.5, forget 1, candidate 2, output 3; largest eigenvalue: input 0.5, forget 1, "
        "candidate 2, output 3."
    )
    assert wanted_bias_sentence(weights_in_force(module), 100) == (
        "For a half-life of 100 time steps, that bias would be 4.97 in all."
    )


def test_of_an_rnn_the_block_has_no_name():
    module = nn.RNN(3, 2)
    with torch.no_grad():
        module.weight_hh_l0.copy_(torch.tensor([[0.0, 2.0], [0.0, 0.0]]))
    found = in_force_sentence(weights_in_force(module))
    assert found == "Gain of the recurrent weights: 2; largest eigenvalue: 0."


def test_time_scales_in_words():
    scales = np.array([[1.0, 2.0, np.inf]])
    assert time_scale_sentence(scales, "forget") == (
        "By their mean forget gates, units keep their memory for 2 time steps (1 to ∞)."
    )


def test_what_only_a_state_of_its_own_cannot_give_is_said():
    found = look_back(delay_line(3), draw(20, 4, 1))
    lost = replace(found.reached, half=np.full_like(found.reached.half, np.nan))
    said = look_back_sentence(replace(found, reached=lost))
    assert "; from a state of its own that can't be measured." in said and "–" not in said


def test_a_single_time_scale_has_no_range():
    assert time_scale_sentence(np.full((1, 3), np.inf), "forget").endswith("for ∞ time steps.")


def influence(product, size, reached):
    gradient = np.ones_like(product)
    distance = np.arange(len(product))
    return Influence("y", "inputs", distance, gradient, np.array(product), np.array(size), np.array(reached))


def test_what_matters_in_words():
    found = influence([[1.0, 3.0], [1.0, 1.0], [0.0, 0.0]], [3.0, 1.0, 2.0], [3.0, 1.0, 0.5])
    assert influence_sentence(found) == (
        "Half of gradient × input is from the last time step. Column 1 (from 0) has the largest share, 66.7 %. "
        "The gradient rises ×2 at the first time step because the sequence begins in zero: from a state of its own it "
        "is ×0.5."
    )
    assert influence([[1.0]] * 3, [1e300, 1.0, 2.0], [1e300, 1e300, 1e299]).rises  # their product is out of range
    wild = influence([[1.0]] * 2, [1e280, 1e290], [1e290, 1e280])
    assert wild.rises and "rises ×1e10" in influence_sentence(wild)
    assert not influence([[1.0]] * 2, [0.0, 1.0], [0.0, 1.0]).rises
    nothing = influence([[0.0], [0.0]], [0.0, 0.0], [0.0, 0.0])
    assert influence_sentence(nothing).startswith("What moves the prediction can't be measured")
    total = delay_line(3)
    assert influence_sentence(input_influence(total, torch.ones(9, 2, 1))).startswith(
        "Half of gradient × input is from"
    )
