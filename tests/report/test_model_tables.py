"""The tables of a user's own model hold every number of its answers."""

import csv
import io

import numpy as np
import torch
from torch import nn

from analysis.models.measuring import answer_module, measure_module
from analysis.report.model_tables import model_tables


def test_tables_hold_the_numbers():
    torch.manual_seed(0)
    module, inputs = nn.LSTM(3, 4, 2, batch_first=True), torch.randn(5, 12, 3, dtype=torch.float64)
    measured, tape = measure_module(module, inputs)
    found = answer_module(module, inputs, tape)
    tables = model_tables("lstm", measured.decays, found)
    rows = {name: list(csv.DictReader(io.StringIO(text()))) for name, text in tables.items()}

    def column(table, name, **where):
        return [float(row[name]) for row in rows[table] if all(row[key] == value for key, value in where.items())]

    assert np.array_equal(column("decay", "relative", of="memory"), measured.decay.relative)
    assert np.array_equal(column("look-back", "change", start="reached"), found.look_back.reached.change)
    assert column("look-back", "last_steps", start="as given") == list(range(1, 13))
    forget = found.in_force.eigenvalues["forget"][0, 1, :, 1]
    assert np.array_equal(column("eigenvalues", "imaginary", layer="1", block="forget"), forget)
    assert np.array_equal(column("inputs", "gradient_times_input", column="2"), found.influence.product[:, 2])
