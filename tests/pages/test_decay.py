"""The page of gradient decay before any training, its controls, and models that diverged."""

import numpy as np
import pytest

from analysis.report.wording import count_diverged, describe_horizon_range
from pages.ui import training
from tests.helpers.app import SMALL, app, charts, fine, trained

# Streamlit's test runner leaves its temporary folder to the garbage collector.
pytestmark = [pytest.mark.filterwarnings("ignore::ResourceWarning"), pytest.mark.usefixtures("no_runs")]


PAGE = "pages/measure/decay.py"


def test_before_a_training_its_cost_is_told_and_no_horizon_explained():
    at = fine(app(PAGE, **SMALL))
    assert any("about" in text.value for text in at.caption)
    assert not any(text.value.startswith("Horizon: ") for text in at.caption)
    assert at.button(key="cancel").disabled


@pytest.mark.parametrize(
    ("kind", "key", "values"),
    [
        ("select_slider", "threshold", [0.001, 0.5]),
        ("segmented_control", "axis", ["position", "distance"]),
        ("segmented_control", "size", ["absolute", "relative"]),
        ("segmented_control", "spread", ["seeds", "none"]),
        ("toggle", "carry", [False, True]),
        ("toggle", "theory", [False, True]),
        ("toggle", "deep", [True, False]),
    ],
)
def test_decay_page_controls(kind, key, values):
    at = app(PAGE, **SMALL)
    for value in values:
        fine(getattr(at, kind)(key=key).set_value(value).run())
        assert (len(charts(at)), len(at.error)) == (1, 0)


def test_theory_is_drawn_beside_each_cell_and_its_rate_stands_in_the_table():
    at = fine(app(PAGE, **SMALL))
    lines = {trace.get("name") for trace in charts(at)[0]["data"]}
    assert {"RNN theory", "LSTM theory", "GRU theory"} <= lines
    assert "rate by theory, untrained" in at.table[0].value.to_string()
    without = fine(app(PAGE, **SMALL, activation="relu"))
    assert not any("theory" in (trace.get("name") or "") for trace in charts(without)[0]["data"])
    assert any("No theory for the RNN, the LSTM and the GRU: for relu" in text.value for text in without.caption)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("threshold", "0"), ("axis", "x"), ("details", "?"), ("carry", "maybe"), ("size", "<b>"),
        ("spread", "x" * 3000), ("deep", "nan"), ("state", "../.."), ("axis", ""), ("size", ""),
        ("spread", ""), ("state", ""),
    ],
)  # fmt: skip
def test_decay_page_survives_hostile_controls(key, value):
    at = fine(app(PAGE, **SMALL, **{key: value}))
    assert (len(charts(at)), len(at.error)) == (1, 0)


def test_where_truncation_cuts_is_said():
    at = fine(app(PAGE, **SMALL | {"length": 10, "truncate": 4, "init": "orthogonal", "cells": "RNN"}))
    assert any("all 1 time step that truncation leaves" in text.value for text in at.markdown)


def test_models_that_diverged_are_said_and_drawn():
    wild = {"activation": "identity", "init": "orthogonal", "gain": 3, "length": 100, "cells": "RNN"}
    at = trained(app(PAGE, **SMALL | wild))
    assert any(f"**RNN**: {count_diverged(2, 2)}." in text.value for text in at.markdown)
    assert not at.error
    assert len(charts(at)) == 2
    (experiment,) = at.session_state["settings"].experiments.values()
    after = training.load(training.jobs().find(experiment).id).after
    assert np.isnan(after.horizon)
    assert describe_horizon_range(after) in at.table[-1].value.to_string()
