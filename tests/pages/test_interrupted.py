"""Trainings that fail, are cancelled, or are found again, as the pages show them."""

import pytest

from analysis.experiment import Experiment
from analysis.history.entry import Row
from analysis.history.serialization import encode
from analysis.jobs.pool import Jobs, QueueFullError
from analysis.report.sentences.decay import carry_sentence, update_sentence
from analysis.report.sentences.gates import saturation_sentence
from analysis.report.sentences.progress import progress_sentence
from analysis.report.wording import cell_with_state
from analysis.tasks.registry import build_task
from pages.ui import training
from tests.helpers.app import ENDLESS, SMALL, app, charts, fine, trained, until, untrained
from tests.helpers.runs import stopped

# Streamlit's test runner leaves its temporary folder to the garbage collector.
pytestmark = [pytest.mark.filterwarnings("ignore::ResourceWarning"), pytest.mark.usefixtures("no_runs")]


PAGE = "pages/measure/decay.py"
STATES = {"rnn": "trained", "lstm": "untrained", "gru": "trained"}  # where the LSTM could not be trained


def test_a_finished_run_is_found_without_a_press():
    at = trained(app(PAGE, **{**SMALL, "seed": "55"}))
    other = fine(app(PAGE, **{**SMALL, "seed": "55"}))
    assert charts(other) == charts(at)


@pytest.fixture
def without_lstm(monkeypatch):
    """Return the page of decays after all cells but the LSTM were trained."""
    real = Jobs.submit

    def fails_for_lstm(self, experiment):
        if experiment.cell == "lstm":
            raise QueueFullError("no luck")
        return real(self, experiment)

    monkeypatch.setattr(Jobs, "submit", fails_for_lstm)
    return trained(app(PAGE, **{**SMALL, "seed": "77"}))


def runs(at):
    """Return the results of the page's finished runs by cell."""
    rows = {cell: training.jobs().find(each) for cell, each in at.session_state["settings"].experiments.items()}
    return {cell: training.load(row.id) for cell, row in rows.items() if row and row.status == "finished"}


def test_training_that_fails_loses_nothing(without_lstm):
    at = without_lstm
    assert "LSTM: no luck" in at.error[0].value
    rows = [training.jobs().find(each) for each in at.session_state["settings"].experiments.values()]
    assert [row and row.status for row in rows] == ["finished", None, "finished"]
    names = [trace["name"].partition(":")[0] for trace in charts(at)[0]["data"] if trace.get("showlegend") is not False]
    assert names[:3] == [cell_with_state(cell, STATES) for cell in ("rnn", "lstm", "gru")]
    commands = [line.split()[3] for line in at.code[0].value.splitlines()]
    assert commands == ["train", "decay", "train"]


def test_beside_trained_cells_an_untrained_one_is_called_so(without_lstm):
    at = without_lstm
    lstm = untrained(at)["lstm"]
    said = carry_sentence("lstm", lstm.decay, lstm.decays["carry"], STATES)
    assert said.endswith(f"the gradient of the {cell_with_state('lstm', STATES)}.")
    assert any(said in text.value for text in at.caption)
    at.session_state["details"] = "What trains the weights"
    measured = {"rnn": runs(at)["rnn"].measured_after, "lstm": lstm, "gru": runs(at)["gru"].measured_after}
    said = update_sentence({cell: each.decays["weights"] for cell, each in measured.items()}, STATES)
    assert f"{cell_with_state('rnn', STATES)} " in said and f"{cell_with_state('lstm', STATES)} " in said
    assert said in [text.value for text in fine(at.run()).markdown]


def test_the_page_of_gates_shows_an_untrained_cell_beside_a_trained_one(without_lstm):
    at = without_lstm
    lstm, gru = untrained(at)["lstm"], runs(at)["gru"]
    at.switch_page("pages/measure/gates.py")
    assert [line.split()[3] for line in fine(at.run()).code[0].value.splitlines()] == ["decay", "train"]
    heads = [text.value for text in at.markdown if text.value.startswith("## ")]
    before, after = gru.measured_before.saturation, gru.measured_after.saturation
    assert [head.removeprefix("## ") for head in heads] == [
        saturation_sentence(cell_with_state("lstm", STATES), lstm.saturation),
        saturation_sentence(cell_with_state("gru", STATES), after, before),
    ]
    assert any(text.value == "Not trained, and drawn untrained: LSTM." for text in at.caption)


def test_a_run_in_its_middle_is_drawn_and_cancelled():
    at = app(PAGE, **ENDLESS, cells="LSTM")
    at.button(key="train").click().run()
    (experiment,) = at.session_state["settings"].experiments.values()
    id = training.jobs().find(experiment).id
    until(lambda: training.jobs().row(id).step >= 20)
    fine(at.run())
    snapshots = at.session_state["seen"][id]
    said = progress_sentence(experiment, "running", snapshots, build_task(experiment).chance, "accuracy")
    assert snapshots and f"- **LSTM**{said.removeprefix('LSTM')}" in [text.value for text in at.markdown]
    assert len(charts(at)) == 2
    assert at.button(key="train").disabled and at.button(key="step_play").disabled
    at.button(key="cancel").click().run()
    until(lambda: not training.jobs().row(id).live)
    fine(at.run())
    assert at.button(key="train").label == "Resume"


def test_a_cancelled_run_is_resumed_to_its_end():
    experiment, store = Experiment(**SMALL), training.jobs().store
    checkpoint, snapshots = stopped(experiment, 5)
    id = store.add(experiment)
    for snapshot in snapshots:
        store.write(id, {}, ("snapshot", snapshot.step, encode(snapshot)))
    store.write(id, {"status": "cancelled", "step": 5}, ("checkpoint", 5, encode(checkpoint)))
    at = fine(app(PAGE, **SMALL, cells="LSTM"))
    assert any(text.value.startswith("Cancelled: LSTM after 5 of 10 updates.") for text in at.caption)
    assert at.button(key="train").label == "Resume"
    trained(at)
    assert any(text.value == "Trained." for text in at.caption)
    assert training.jobs().find(experiment).id == id


def test_only_followed_runs_are_kept():
    at = app(PAGE, **SMALL)
    at.session_state["seen"] = {"gone": ()}
    assert not fine(at.run()).session_state["seen"]


def test_text_of_a_record_is_not_markdown(monkeypatch):
    at = app(PAGE, **{**SMALL, "seed": "78", "cells": "GRU"})
    monkeypatch.setattr(training.jobs(), "find", damaged)
    monkeypatch.setattr(training, "progress", lambda rows: {})
    assert "failed after 3 updates, \\!\\[x\\]\\(//e.org/a.png\\)." in fine(at.run()).error[0].value


def damaged(experiment):
    return Row(
        id="0", name="", status="failed", reason="![x](//e.org/a.png)", experiment=experiment, seconds=0.0, step=3,
        created="2026-01-01T00:00:00+00:00", versions={}, metric=None, metric_name=None, chance=None,
        horizon_before=None, horizon_after=None, diverged=None,
    )  # fmt: skip
