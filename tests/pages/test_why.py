"""The page Why: every tab, before and after training, what can't be measured, and what it writes."""

import csv
import io
import sys

import numpy as np
import pytest

from analysis import Experiment
from analysis.measures import why as measures
from analysis.measures.factors import measure_factors
from analysis.measures.gate_reading import SEQUENCES
from analysis.report import why_tables
from analysis.tasks.digits import load_digits
from pages.ui import why
from tests.helpers.app import SMALL, charts, fine, trained, values
from tests.helpers.links import opened

PAGE = "pages/understand/why.py"

pytestmark = [pytest.mark.filterwarnings("ignore::ResourceWarning"), pytest.mark.usefixtures("no_runs")]


def texts(at):
    return " ".join(element.value for element in [*at.markdown, *at.caption])


def named(chart, name):
    return next(trace for trace in chart["data"] if trace["name"] == name)


@pytest.mark.parametrize("tab", why.VIEWS)
def test_every_tab_below_the_matrices(tab):
    at = fine(opened(PAGE, **SMALL, why_tab=tab))
    matrix, *below = charts(at)
    assert [trace["type"] for trace in matrix["data"]].count("heatmap") == 3
    assert len(below) == (2 if tab == "Which directions survive" else 1)
    assert "the gradient is multiplied at every time step" in texts(at)
    assert at.get("download_button")


def test_before_and_after_training():
    at = trained(opened(PAGE, **SMALL, cells="GRU", why_tab="What an update is made of"))
    [experiment] = at.session_state["settings"].experiments.values()
    start = measures.measure_matrix(experiment)
    after = charts(at)[0]
    np.testing.assert_allclose(values(named(after, "GRU before")["y"]), start.left)
    assert not np.allclose(values(named(after, "GRU")["y"]), start.left, rtol=1e-6)
    assert named(charts(at)[1], "GRU before")
    before = fine(opened(PAGE, **SMALL, cells="GRU", why_weights="untrained"))
    np.testing.assert_allclose(values(named(charts(before)[0], "GRU")["y"]), start.left)
    assert not any(trace["name"] == "GRU before" for trace in charts(before)[0]["data"])


def test_cells_that_differ_in_training_are_told_apart():
    trained(opened(PAGE, **SMALL, cells="RNN"))
    at = fine(opened(PAGE, **SMALL))
    assert "in the RNN (trained)" in texts(at) and "in the GRU (untrained)" in texts(at)


def test_another_sequence_is_another_picture():
    at = fine(opened(PAGE, **SMALL | {"length": 12}, cells="LSTM"))
    [experiment] = at.session_state["settings"].experiments.values()
    for number in (1, SEQUENCES):
        fine(at.number_input(key="sequence").set_value(number).run())
        drawn = values(named(charts(at)[1], "LSTM the whole step")["y"])
        np.testing.assert_allclose(drawn, measure_factors(experiment, number).whole)


@pytest.mark.parametrize("task", ["adding", "order", "copy", "text", "words", "digits"])
def test_other_tasks(task):
    if task == "digits":
        pytest.importorskip("sklearn")
    settings = SMALL if task == "digits" else SMALL | {"length": 10}
    fine(opened(PAGE, **settings, cells="GRU", task=task))


def test_what_leaves_the_finite_range_is_left_out():
    wild = {"activation": "identity", "init": "orthogonal", "gain": 3, "length": 1000, "hidden_size": 4, "seeds": 1}
    for tab in why.VIEWS:
        at = fine(opened(PAGE, **wild, cells="RNN", why_tab=tab))
        assert charts(at)


def test_what_a_large_model_leaves_out_is_said(monkeypatch):
    monkeypatch.setattr(measures, "SPECTRUM_WORK", 6 * 4 * 2.0**2)
    monkeypatch.setattr(measures, "SHORTEST", 3)
    monkeypatch.setattr(measures, "FEWEST_STEPS", 3)
    monkeypatch.setattr(measures, "MATRIX_WORK", 10)
    settings = SMALL | {"seed": 7, "seeds": 3}  # measured by no other test
    said = texts(fine(opened(PAGE, **settings, cells="GRU", why_tab="Which directions survive")))
    assert "GRU: the last 3 time steps, curves of 1 of 3 seeds." in said
    assert "GRU: the 2 largest of 4 exponents, 1 of 3 seeds, singular values over the last 3 time steps." in said


def test_the_model_of_another_seed_can_be_shown():
    at = fine(opened(PAGE, **SMALL | {"seed": 11}, cells="GRU", why_tab="Which directions survive"))
    assert "the model with seed 11." in texts(at) and "Of the model with seed 11." in texts(at)
    [experiment] = at.session_state["settings"].experiments.values()
    fine(at.number_input(key="why_model").set_value(9).run())  # the last where there are fewer
    assert "the model with seed 12." in texts(at)
    fan = values(named(charts(at)[2], "GRU largest")["y"])
    np.testing.assert_allclose(fan, measures.measure_singular_values(experiment, None, 1).values[:, 0])
    assert not at.number_input(key="why_model").disabled
    assert "why_model" not in {each.key for each in fine(opened(PAGE, **SMALL | {"seeds": 1})).number_input}


TRUNCATED = {
    "Step by step": "no gradient comes back",
    "What an update is made of": "before the last window adds nothing",
    "Which directions survive": "Directions end where truncation cuts",
    "Memory beyond the gradient": "Thin lines end where truncation cuts",
    "What would make it remember": "a horizon ends with the last window",
}


@pytest.mark.parametrize("tab", TRUNCATED)
def test_truncation_is_respected_and_said(tab):
    """Of 6 time steps, windows of 5 leave a last one of a single step."""
    at = fine(opened(PAGE, **SMALL | {"truncate": 5}, cells="GRU", why_tab=tab))
    assert TRUNCATED[tab] in texts(at) and "no gradient leaves a window of 5 time steps" in texts(at)
    if tab == "Step by step":
        assert len(charts(at)) == 1  # no empty panel


def test_a_task_that_cannot_be_built_says_why(monkeypatch):
    load_digits.cache_clear()
    monkeypatch.setitem(sys.modules, "sklearn", None)
    at = opened(PAGE, **SMALL | {"length": 64}, task="digits")
    assert not at.exception and not charts(at)
    assert ["scikit" in error.value for error in at.error] == [True]


def test_tables_hold_every_number():
    experiment = Experiment(cell="gru", length=6, hidden_size=3, seeds=2)
    now, before = ({"gru": measures.measure_matrix(experiment.replace(gain=gain))} for gain in (2.0, 1.0))
    rows = list(csv.DictReader(io.StringIO(why_tables.matrix_csv(now, before))))
    assert len(rows) == 2 * 21 and {row["phase"] for row in rows} == {"after", "before"}
    for row in rows:
        matrix = (now if row["phase"] == "after" else before)["gru"].relative
        assert float(row["left"]) == matrix[int(row["loss_step"]), int(row["state_step"])]

    def written(write, measure, *more):
        found = measure(experiment, *more)
        return found, list(csv.DictReader(io.StringIO(write({"gru": found}, {}))))

    found, rows = written(why_tables.updates_csv, measures.measure_updates)
    assert [float(row["share"]) for row in rows] == found.shares.ravel().tolist()
    assert {row["phase"] for row in rows} == {"before"}
    found, rows = written(why_tables.exponents_csv, measures.measure_exponents)
    assert [float(row["exponent"]) for row in rows] == found.exponents.ravel().tolist()
    found, rows = written(why_tables.singular_values_csv, measures.measure_singular_values)
    assert [float(row["value"]) for row in rows] == found.values.ravel().tolist()
    found, rows = written(why_tables.factors_csv, measure_factors, 1)
    assert [float(row["whole"]) for row in rows] == found.whole.tolist() and rows[0]["through"] == "update gate"
