"""The page Your model: its answers, a chosen layer and direction, and tensors that the visitor names."""

import numpy as np
import pytest
import torch
from torch import nn

from analysis import gate_saturation, gradient_decay, input_influence, look_back, record, time_scales, weights_in_force
from analysis.figures.decay import decay
from analysis.figures.look_back import LEAST, STARTS
from analysis.models.inputs import random_inputs
from analysis.models.layers import RecurrentStack
from analysis.models.measuring import tape_of_layer
from analysis.report.sentences.answers import in_force_sentence, influence_sentence, time_scale_sentence
from tests.helpers.app import charts, fine, values
from tests.helpers.files import npy, saved
from tests.models.test_look_back import delay_line
from tests.models.test_onnx import graph
from tests.pages.test_model import assert_looks_back, in_tab, opened, texts, trace, upload, with_model

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


def test_a_layer_and_a_direction_of_a_bidirectional_stack_are_chosen():
    torch.manual_seed(0)
    module = nn.LSTM(3, 6, 2, batch_first=True, bidirectional=True)
    at = with_model(module)
    at = fine(at.selectbox(key="model_layer").select_index(1).run())
    at = fine(at.selectbox(key="model_depth_2").select(0).run())
    inputs = random_inputs(RecurrentStack("", "lstm", 3, 6, 2, True, both=True))
    tape = record(module, inputs, direction="backward")
    [expected] = [t for t in decay({"lstm": gradient_decay(tape, layer=0)}).data if t.name == "LSTM"]
    assert np.array_equal(trace(at, 0, "LSTM"), expected.y, equal_nan=True)
    found = look_back(module, inputs, direction="backward")
    assert np.allclose(trace(at, 1, STARTS[0]), np.clip(found.start.change, LEAST, None))
    assert "are of layer 0, counted from 0, of 2 layers." in texts(at)
    assert "--layer backward --depth 0" in at.get("code")[0].value
    at = in_tab(at, "Gates")
    for gate, saturation in gate_saturation(tape_of_layer(tape, 0)).items():
        assert np.allclose(trace(at, 1, f"lstm {gate}"), saturation.shares)
    assert "Only for layers that read in one direction" in texts(in_tab(at, "Gradient matrix"))


def test_the_visitor_says_which_tensor_is_which():
    torch.manual_seed(0)
    gru = nn.GRU(3, 6, batch_first=True)
    order = [*range(6, 12), *range(6), *range(12, 18)]  # z r n
    state = {f"p{k}": parameter.detach()[order] for k, parameter in enumerate(gru.parameters())}
    at = upload(opened(), "model_weights", "odd.pt", saved(state))
    assert "no recurrent layer among 4 tensors" in at.error[0].value
    for k, part in enumerate(("weight_ih", "weight_hh", "bias_ih", "bias_hh")):
        at = at.selectbox(key=f"model_take_{part}").select(f"p{k}").run()
    assert not at.error and "p1 for weight_hh" in texts(at).replace("\\", "")
    at = fine(at.selectbox(key="model_take_order_gru").select("zrn").run())
    assert_looks_back(at, gru, random_inputs(RecurrentStack("", "gru", 3, 6, 1, True)))
    code = at.get("code")[0].value
    assert "--take weight_ih=p0" in code and "--order zrn" in code


def test_a_projection_is_measured():
    torch.manual_seed(0)
    module = nn.LSTM(3, 6, batch_first=True, proj_size=2)
    at = with_model(module)
    assert "projected to 2" in texts(at)
    assert_looks_back(at, module, random_inputs(RecurrentStack("", "lstm", 3, 6, 1, True)))
    for tab in ("Biases and weights", "Inputs", "Gates", "Bounds", "Gradient matrix"):
        at = in_tab(at, tab)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_what_is_in_force_and_which_inputs_matter(cell):
    torch.manual_seed(0)
    module = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[cell](3, 6, 2, batch_first=True)
    at = in_tab(with_model(module), "Biases and weights")
    inputs = random_inputs(RecurrentStack("", cell, 3, 6, 2, True))
    force = weights_in_force(module)
    assert in_force_sentence(force) in texts(at)
    block = "state" if cell == "rnn" else "candidate"
    [dots] = [t for t in charts(at)[1]["data"] if t.get("name") == block]
    assert np.allclose(values(dots["x"]), force.eigenvalues[block][0, 1, :, 0])
    at = fine(at.selectbox(key="model_depth_2").select(0).run())
    assert in_force_sentence(force, 0) in texts(at)
    [dots] = [t for t in charts(at)[1]["data"] if t.get("name") == block]
    assert np.allclose(values(dots["x"]), force.eigenvalues[block][0, 0, :, 0])
    assert len(charts(at)) == (2 if cell == "rnn" else 3)
    if cell != "rnn":
        assert time_scale_sentence(time_scales(record(module, inputs))[:, 0], force.gate) in texts(at)
        at = fine(at.number_input(key="model_half_life").set_value(100.0).run())
        assert "For a half-life of 100 time steps, that bias would be 4.97 in all." in texts(at)
    at = in_tab(at, "Inputs")
    influence = input_influence(module, inputs)
    assert influence_sentence(influence) in texts(at)
    assert np.allclose(trace(at, 1, "gradient"), influence.size)
    assert len(charts(at)) == 3


def test_the_nonlinearity_that_a_file_says_is_not_asked_for():
    pytest.importorskip("onnx")
    at = upload(opened(), "model_weights", "a.onnx", graph("RNN", activations=["Relu"]).SerializeToString())
    assert "its nonlinearity is relu" in texts(fine(at))
    assert not [each for each in at.get("segmented_control") if each.key == "model_phi"]
    assert "--nonlinearity relu" in at.get("code")[0].value


def test_a_delay_line_of_a_file_looks_back_as_far_as_it_is_long():
    line = delay_line(12)
    at = with_model(line, model_source="your own")
    at = fine(upload(at, "model_data", "x.npy", npy(1 + np.random.default_rng(0).random((4, 40, 1)))))
    [phi] = [each for each in at.get("segmented_control") if each.key == "model_phi"]
    at = fine(phi.set_value("relu").run())
    assert "it needs 12 / 12 / 12 time steps" in texts(at)
