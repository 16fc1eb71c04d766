"""What is there trained before anyone has trained: Inside the cell, and the cells at their defaults."""

import pytest

from analysis.history.shipped import load_shipped
from analysis.report.sentences.cell import reader_sentences
from analysis.report.sentences.training import compare_cells, shipped_sentence
from analysis.tasks.vocabulary import split_words
from pages.ui import cell as ui
from pages.ui import gates, training
from tests.helpers.app import SMALL, app, fine

pytestmark = [pytest.mark.filterwarnings("ignore::ResourceWarning"), pytest.mark.usefixtures("no_runs")]

SHIPPED_TRAINED = shipped_sentence(["rnn", "lstm", "gru"], 3)


def captions(at):
    return " ".join(caption.value for caption in at.caption)


def test_inside_the_cell_opens_with_a_trained_model_and_marks_it():
    at = fine(app("pages/understand/cell.py"))
    experiments = ui.next_word_experiments(at.session_state["settings"], "lstm")
    run = load_shipped("words-english-lstm")
    assert experiments["lstm"] == run.experiment
    reading = ui.read_words(experiments["lstm"], run, split_words(ui.EXAMPLE), True)
    assert reading.known.all()
    assert reader_sentences(reading, run, True) in captions(at)
    assert SHIPPED_TRAINED in captions(at)
    assert not at.button(key="train").disabled and not at.warning
    assert not training.jobs().rows()


@pytest.mark.parametrize("page", ["decay", "gates"])
def test_the_cells_at_their_defaults_are_there_trained(page):
    at = fine(app(f"pages/measure/{page}.py"))
    assert SHIPPED_TRAINED in captions(at)
    assert not at.button(key="train").disabled
    if page == "decay":
        runs = {cell: load_shipped(f"recall-{cell}") for cell in ("rnn", "lstm", "gru")}
        assert f"## {compare_cells(runs)}" in [text.value for text in at.markdown]
    assert not training.jobs().rows()


def test_other_settings_are_not_there_trained():
    at = fine(app("pages/measure/decay.py", **SMALL))
    assert "To train anew" not in captions(at)


def test_gates_are_read_of_a_shipped_run():
    experiment = load_shipped("recall-gru").experiment
    trained, untrained = (gates.gates_of_sequence(experiment, id, 1)[0] for id in ("recall-gru", None))
    assert (trained.gates["update"] != untrained.gates["update"]).any()


def test_a_run_trained_here_takes_the_shipped_ones_place():
    at = fine(app("pages/measure/decay.py", cells="RNN", steps="500"))
    assert shipped_sentence(["rnn"], 1) in captions(at)
    fine(at.button(key="train").click().run())
    (row,) = training.jobs().rows()
    assert "To train anew" not in captions(at)
    assert row.experiment == load_shipped("recall-rnn").experiment
