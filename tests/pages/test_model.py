import io
import json

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest
from torch import nn
from torch.nn.utils import prune

from analysis import (
    activation_bounds,
    carry_decay,
    gate_saturation,
    gradient_decay,
    gradient_matrix,
    look_back,
    record,
)  # fmt: skip
from analysis.figures.decay import decay
from analysis.figures.look_back import LEAST, STARTS
from analysis.models.inputs import random_inputs
from analysis.models.layers import RecurrentStack
from analysis.models.measuring import tape_of_layer
from analysis.report.markdown import escape_markdown
from analysis.report.sentences.gates import ENDS
from analysis.report.sentences.model import reach_sentence
from pages.ui import answers, session
from tests.helpers.app import DASHBOARD, charts, fine, values
from tests.helpers.files import DATA, WEIGHTS, npy, saved
from tests.helpers.jobs import PATIENCE

PAGE = "pages/measure/model.py"
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


def opened(**settings):
    at = AppTest.from_file(DASHBOARD, default_timeout=PATIENCE)
    for name, value in settings.items():
        at.query_params[name] = value
    at.switch_page(PAGE)
    return at.run()


def upload(at, key, name, content):
    [widget] = [each for each in at.get("file_uploader") if each.key == key]
    widget.set_value((name, content, "application/octet-stream"))
    return at.run()


def with_model(module, name="model.pt", **settings):
    return fine(upload(opened(**settings), "model_weights", name, saved(module.state_dict())))


def in_tab(at, tab):
    """Open a tab; Streamlit runs the page again, which draws what is in it."""
    at.session_state["model_tab"] = tab
    return fine(at.run())


def trace(at, chart, name):
    """A drawn line's values, as the browser gets them."""
    [found] = [t for t in charts(at)[chart]["data"] if t.get("name") == name]
    return values(found["y"])


def texts(at):
    return " ".join(element.value for element in [*at.markdown, *at.caption, *at.info, *at.error])


def reach(at, cell):
    """Return the sentence on what the page measured of the model."""
    results, answers = (at.session_state[session.model_results(of).name] for of in ("model", "answers"))
    return reach_sentence(cell, results["measured"][0].decay, answers["look-back"])


def assert_looks_back(at, module, inputs):
    """The picture of the tab Look-back shows what `analysis.look_back` returns."""
    found = look_back(module, inputs)
    for name, windows in zip(STARTS, (found.start, found.reached), strict=True):
        assert np.allclose(trace(at, 1, name), np.clip(windows.change, LEAST, None))


def test_empty_it_says_what_to_do_and_shows_an_example():
    at = fine(opened())
    assert "Shown until you add yours: an untrained LSTM" in texts(at)
    assert reach(at, "lstm") in texts(at)
    assert "weights alone hold no loss" in texts(at) and "Not used" not in texts(at)
    assert len(charts(at)) == 2
    for chart in at.get("plotly_chart"):  # each can be saved without a search for the button
        config = json.loads(chart.proto.config)
        assert config["displayModeBar"] and config["toImageButtonOptions"]["format"] == "svg"
    assert at.get("download_button")


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_the_figures_are_what_record_says(cell):
    torch.manual_seed(0)
    module = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[cell](3, 6, 2, batch_first=True)
    array = np.random.default_rng(0).normal(size=(4, 20, 3))
    at = with_model(module, model_source="your own")
    at = fine(upload(at, "model_data", "x.npy", npy(array)))
    inputs = torch.from_numpy(array)
    tape = record(module, inputs)
    same = decay({cell: gradient_decay(tape)})
    [expected] = [t for t in same.data if t.name == cell.upper()]
    assert np.array_equal(trace(at, 0, cell.upper()), expected.y, equal_nan=True)
    assert_looks_back(at, module, inputs)
    assert "are of the top one of 2 layers" in texts(at)
    at = in_tab(at, "Gates")
    assert len(charts(at)) == (1 if cell == "rnn" else 3)
    if cell != "rnn":
        assert np.allclose(trace(at, 0, f"{cell.upper()} by the gate alone"), carry_decay(tape).relative)
        saturation = gate_saturation(tape_of_layer(tape, 1))
        for gate, found in saturation.items():
            assert np.allclose(trace(at, 1, f"{cell} {gate}"), found.shares)
    assert (ENDS in [text.value for text in at.caption]) == (cell != "rnn")
    at = in_tab(at, "Bounds")
    assert len(charts(at)) == (3 if cell == "lstm" else 2)
    assert np.allclose(trace(at, 1, "tanh"), activation_bounds(tape).hidden[-1])
    at = in_tab(at, "Gradient matrix")
    matrix = gradient_matrix(module, inputs)
    _, picture = charts(at)
    [heatmap] = picture["data"]
    assert heatmap["type"] == "heatmap"
    z = values(heatmap["z"]).reshape(20, 20)
    below = np.tri(20, dtype=bool)
    powers = np.log10((matrix / np.diag(matrix)[:, None])[below])
    assert np.abs(z[below] - powers).max() <= 0.005 + 1e-6  # two digits
    assert np.isnan(z[~below]).all()


def test_a_picture_is_drawn_again_only_where_it_shows_something_else(monkeypatch):
    drawn, draw = [], answers.look_back
    monkeypatch.setattr(answers, "look_back", lambda *a, **k: drawn.append(1) or draw(*a, **k))
    at = fine(opened())
    at = fine(at.run())
    assert len(drawn) == 1
    at = fine(at.number_input(key="model_steps").set_value(30).run())
    assert len(drawn) == 2
    in_tab(at, "Bounds")
    assert len(drawn) == 2


def test_random_inputs_are_those_of_the_settings():
    module = nn.GRU(3, 6, batch_first=True)
    at = with_model(module, model_variance="4", model_steps="30", model_sequences="5")
    inputs = random_inputs(RecurrentStack("", "gru", 3, 6, 1, True), 30, 5, 4.0)
    assert_looks_back(at, module, inputs)
    code = at.get("code")[0].value
    assert code == "python -m analysis record model.pt --variance 4 --steps 30 --sequences 5 --json out.json"


def test_one_of_several_layers_is_chosen_and_the_refused_are_listed():
    model = nn.ModuleDict({"a": nn.LSTM(3, 4), "b": nn.RNN(4, 5), "c": nn.LSTM(3, 4)})
    prune.l1_unstructured(model["c"], "weight_hh_l0", 0.5)
    at = with_model(model)
    [box] = [each for each in at.selectbox if each.key == "model_layer"]
    assert box.options == ["a: LSTM, 3 inputs, 4 units, 1 layer", "b: RNN, 4 inputs, 5 units, 1 layer"]
    assert "c: weight_hh_l0_orig is made by pruning" in texts(at).replace("\\", "")
    at = fine(box.select_index(1).run())
    assert reach(at, "rnn") in texts(at) and "An RNN has no gates" in texts(in_tab(at, "Gates"))
    [phi] = [each for each in at.get("segmented_control") if each.key == "model_phi"]
    at = in_tab(phi.set_value("relu").run(), "Bounds")
    assert [t for t in charts(at)[-1]["data"] if t.get("name") == "relu"]


def test_a_state_dict_of_plain_training_code():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.out = nn.LSTM(2, 4), nn.Linear(4, 1)

        def forward(self, x):
            return self.out(self.lstm(x)[0][-1])

    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    for _ in range(3):
        x = torch.randn(5, 2, 2)
        loss = (net(x) - x.sum((0, 2))[:, None]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert "Found lstm: LSTM, 2 inputs, 4 units, 1 layer." in texts(with_model(net)).replace("\\", "")
    assert "Not used: out; the inputs go straight into the recurrent layers." in texts(with_model(net))


@pytest.mark.parametrize("case", ["nothing", "text", "whole module", "zip bomb", "hash bomb", "header lies"])
def test_unusable_weights_are_one_line(case):
    name, make, _ = WEIGHTS[case]
    at = fine(upload(opened(), "model_weights", name, make()))
    assert len(at.error) == 1 and name in at.error[0].value.replace("\\", "")
    assert not charts(at)


@pytest.mark.parametrize("case", ["random", "objects", "wrong D", "NaN", "zip bomb", "words in CSV"])
def test_unusable_data_is_one_line(case, three_inputs):
    name, make, _ = DATA[case]
    at = fine(upload(three_inputs, "model_data", name, make()))
    assert len(at.error) == 1 and name in at.error[0].value.replace("\\", "")
    assert not charts(at)


@pytest.fixture(scope="module")
def three_inputs():
    at = with_model(nn.LSTM(3, 4), model_source="your own")
    assert "Add your inputs under *Inputs*: 3 numbers for each time step." in texts(at)
    return at


def test_a_mended_file_is_measured(three_inputs):
    at = upload(three_inputs, "model_data", "x.csv", b"1,2\n3,x\n")
    assert at.error
    at = fine(upload(at, "model_data", "x.csv", b"1,2,3\n3,4,5\n6,7,8\n"))
    assert not at.error and len(charts(at)) == 2
    at = fine(upload(at, "model_data", "x.npy", npy(np.zeros((5000, 3), "f4"))))
    assert "Used are of 5,000 time steps the last 1,000." in texts(at)


def test_the_order_of_the_axes_is_chosen_and_said():
    """Time first, as torch's own default is, would be many short sequences."""
    module, array = nn.LSTM(3, 4, batch_first=True), np.cumsum(np.random.default_rng(0).normal(size=(16, 40, 3)), 1)
    at = fine(upload(opened(model_source="your own"), "model_weights", "model.pt", saved(module.state_dict())))
    at = fine(upload(at, "model_data", "x.npy", npy(array.swapaxes(0, 1))))
    said = "Read: 40 sequences of 16 time steps, 3 inputs; likelier it is *time first*, 16 sequences of 40 time steps."
    assert said in texts(at)
    [order] = [each for each in at.get("segmented_control") if each.key == "model_order"]
    at = fine(order.set_value("time first").run())
    assert "Read: 16 sequences of 40 time steps, 3 inputs." in texts(at)
    assert_looks_back(at, module, torch.from_numpy(array))
    assert at.get("code")[0].value.startswith("python -m analysis record model.pt --data x.npy --time-first")


def test_of_a_bidirectional_model_it_says_what_is_measured():
    page = with_model(nn.GRU(3, 4, bidirectional=True))
    said = "GRU, 3 inputs, 4 units, 1 layer; measured is the"
    assert page.selectbox(key="model_layer").options == [
        f"at the top: {said} forward direction alone", f"backward: {said} backward direction alone",
    ]  # fmt: skip


def test_a_file_without_a_recurrent_layer_is_named():
    at = fine(upload(opened(), "model_weights", "linear.pt", saved(nn.Linear(3, 4).state_dict())))
    assert at.error[0].value.startswith("linear.pt: no recurrent layer among 2 tensors")


def test_what_leaves_the_finite_range_is_said():
    state = {"weight_hh": torch.full((2, 2), 1e30), "weight_ih": torch.full((2, 1), 1e30)}
    file = io.BytesIO()
    torch.save(state, file)
    at = upload(opened(model_tab="Gradient matrix"), "model_weights", "wild.pt", file.getvalue())
    [phi] = [each for each in at.get("segmented_control") if each.key == "model_phi"]
    at = phi.set_value("relu").run()
    assert not at.exception
    said = reach(at, "rnn")
    assert "can't be measured" in said and said in texts(at)


def test_text_from_a_file_is_not_markdown():
    state = {f"![x](http://e.org).:red[*a*].{name}": weight for name, weight in nn.GRU(2, 3).state_dict().items()}
    at = fine(upload(opened(), "model_weights", "a.pt", saved(state)))
    [found] = [caption.value for caption in at.caption if caption.value.startswith("Found")]
    assert "\\!\\[x\\]\\(http" in found and "\\:red\\[\\*a\\*\\]" in found
    assert escape_markdown("a_b") == "a\\_b"
    assert escape_markdown("www.e.org\n\n# 1. <b>") == "www\\.e.org \\# 1. \\<b\\>"
    assert escape_markdown("not here: http://a, ![x](//a)") == "not here: http\\://a, \\!\\[x\\]\\(//a\\)"


def test_a_refused_file_forgets_no_setting():
    at = with_model(nn.LSTM(3, 4), model_source="your own")
    at = fine(upload(at, "model_data", "x.npy", npy(np.ones((9, 5, 3)))))
    at.segmented_control(key="model_order").set_value("time first")
    at = upload(at, "model_weights", "bad.pt", b"hello")
    assert at.error and at.segmented_control(key="model_order").value == "time first"
    at = fine(upload(at, "model_weights", "model.pt", saved(nn.GRU(3, 4).state_dict())))
    assert "Read: 5 sequences of 9 time steps, 3 inputs" in texts(at) and len(charts(at)) == 2
