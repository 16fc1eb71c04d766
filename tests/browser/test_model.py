"""A model of one's own in a real Chromium: from plain torch code to the page, which says what `record` says."""

import re

import torch
from playwright.sync_api import expect
from torch import nn

from analysis import gradient_decay, record
from analysis.models.inputs import random_inputs
from analysis.models.layers import RecurrentStack
from analysis.report.wording import describe_reach


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
