from dataclasses import replace

import numpy as np

from analysis.cli import summary
from analysis.history.store import Store
from analysis.measures.decay import decay_of_norms
from tests.helpers.runs import keep, trained

NONE = decay_of_norms(np.zeros((2, 6, 3)), "memory")


def test_where_no_gradient_came_back_no_horizon_is_made_up():
    run = trained("lstm")
    measured = replace(run.measured_after, decays=run.measured_after.decays | {"memory": NONE})
    lines = summary.describe_run(replace(run, measured_before=measured, measured_after=measured)).splitlines()
    for line in lines[1:4]:
        assert line.endswith("horizon not measurable before training, not measurable after")
    assert summary.describe_decay("LSTM", NONE) == "LSTM: the gradient could not be measured: it is zero."


def test_a_row_says_how_many_models_diverged(tmp_path):
    store = Store(tmp_path / "runs.sqlite")
    for name in ("diverged", "lstm"):
        keep(store, trained(name))
    said = {row.experiment.cell: summary.describe_row(row) for row in store.rows()}
    assert said["rnn"].endswith(", finished, 2 of 2 models diverged")
    assert "diverged" not in said["lstm"]
