"""A model of one's own in a real Chromium: from plain torch code to the page, which says what `record` says."""

import re
import zipfile

import torch
from playwright.sync_api import expect
from torch import nn

from analysis import gradient_decay, input_influence, look_back, record, weights_in_force
from analysis.models.inputs import random_inputs
from analysis.models.layers import RecurrentStack
from analysis.report.sentences.answers import in_force_sentence, influence_sentence, look_back_sentence
from analysis.report.wording import describe_reach
from tests.helpers.browser import button, has_run, settle


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.head = nn.LSTM(3, 16), nn.Linear(16, 1)

    def forward(self, inputs):
        return self.head(self.encoder(inputs)[0][-1])


def test_a_trained_state_dict_is_uploaded_and_measured_as_by_record(server, visit, tmp_path):
    torch.manual_seed(0)
    net = Net()
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(20):
        inputs = torch.randn(12, 8, 3)
        optimizer.zero_grad()
        (net(inputs) - inputs.sum((0, 2))[:, None]).square().mean().backward()
        optimizer.step()
    torch.save(net.state_dict(), tmp_path / "mine.pt")

    inputs = random_inputs(RecurrentStack("", "lstm", 3, 16, 1, True), steps=40)  # (N, T, D)
    decay = gradient_decay(record(net.encoder, inputs.swapaxes(0, 1)))
    page = visit(server.url("model", "model_steps=40"))
    page.locator(".st-key-model_weights input[type=file]").set_input_files(tmp_path / "mine.pt")
    expect(page.get_by_text("Found encoder: LSTM, 3 inputs, 16 units, 1 layer.")).to_be_visible()
    expect(page.get_by_text("Not used: head")).to_be_visible()
    reach = f"LSTM: 1 % of the gradient is left {decay.horizon:g} time steps back"
    expect(page.get_by_text(re.compile(reach))).to_be_visible()
    legend = page.locator(".js-plotly-plot").first.locator(".legendtext").first
    expect(legend).to_have_text(f"LSTM: {describe_reach(decay)}")
    assert 1 < decay.horizon < 39  # not the whole sequence


def test_a_layer_of_a_file_is_shown_in_every_tab_and_exported(server, visit, tmp_path):
    torch.manual_seed(0)
    model = nn.ModuleDict({"low": nn.LSTM(3, 5), "high": nn.GRU(5, 6, 2)})
    torch.save({"epoch": 3, "state_dict": model.state_dict()}, tmp_path / "two.ckpt")
    page = visit(server.url("model", "model_steps=30"))
    page.locator(".st-key-model_weights input[type=file]").set_input_files(tmp_path / "two.ckpt")
    for key, option in (("model_layer", "high: GRU, 5 inputs"), ("model_depth_2", "0")):
        page.locator(f".st-key-{key} input").click()
        page.get_by_role("option", name=option).first.click()
        has_run(page)
    inputs = random_inputs(RecurrentStack("", "gru", 5, 6, 2, True), steps=30).swapaxes(0, 1)  # (T, N, D)
    said = {
        "Look-back": look_back_sentence(look_back(model["high"], inputs)),
        "Biases and weights": in_force_sentence(weights_in_force(model["high"]), 0),
        "Inputs": influence_sentence(input_influence(model["high"], inputs)),
    }
    for tab, sentence in said.items():
        page.get_by_role("tab", name=tab, exact=True).click()
        expect(page.get_by_text(sentence)).to_be_visible()
        has_run(page)
        settle(page)
    with page.expect_download() as download:
        button(page, "download-model").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        rows = archive.read("decay.csv").decode().splitlines()
        assert "--layer high --depth 0" in archive.read("commands.txt").decode()
    assert len(rows) > 30
