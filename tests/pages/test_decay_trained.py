"""The page of gradient decay after a training, which these tests share."""

import numpy as np
import pytest

from analysis.measures.decay import at_threshold
from analysis.report.sentences.training import compare_cells, explain_horizon_and_span, training_sentence
from analysis.report.wording import cell_with_state, describe_horizon_range, format_number, threshold_suffix
from pages.ui import training
from tests.helpers.app import SMALL, app, charts, delete_runs, fine, trained

PAGE = "pages/measure/decay.py"

# Streamlit's test runner leaves its temporary folder to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


def line(cell, *run_and_decays):
    """Return the line of a trained cell, as the page shows it."""
    return f"- **{cell.upper()}**{training_sentence(cell, *run_and_decays).removeprefix(cell.upper())}"


@pytest.fixture(scope="module")
def after_training():
    """Return the page whose button Train was pressed, when all is trained. Tests only read it."""
    delete_runs()
    return trained(app(PAGE, **SMALL))


@pytest.fixture
def page(after_training):
    """Return a page of the same settings, opened after the training."""
    return fine(app(PAGE, **SMALL))


@pytest.fixture
def runs(after_training):
    """Return the results by cell."""
    experiments = after_training.session_state["settings"].experiments
    return {cell: training.load(training.jobs().find(each).id) for cell, each in experiments.items()}


def test_a_training_ends_with_the_button_disabled(after_training):
    assert not after_training.error
    assert any(text.value == "Trained." for text in after_training.caption)
    assert after_training.button(key="train").disabled


def test_a_training_adds_the_timeline_and_the_comparison(after_training):
    assert len(charts(after_training)) == 2
    assert len(after_training.table) == 2


def test_what_the_cells_learned_stands_above_the_picture(after_training, runs):
    said = [text.value for text in after_training.markdown]
    assert f"## {compare_cells(runs)}" in said
    assert all(line(cell, run) in "\n".join(said) for cell, run in runs.items())
    names = [trace.get("name", "") for trace in charts(after_training)[0]["data"]]
    for cell, run in runs.items():
        answer = format_number(np.median(run.metric))
        assert any(name.startswith(f"{cell.upper()}: ") and answer in name and ", horizon " in name for name in names)


def test_horizon_and_span_are_explained_once_there_are_both(after_training, runs):
    said = explain_horizon_and_span(runs["rnn"], runs["rnn"].after.threshold)
    assert said.startswith("Horizon: ") and said in [text.value for text in after_training.caption]


def test_an_earlier_step_leaves_the_horizon_after_training(page, runs):
    after = page.table[-1].value
    page.select_slider(key="step").set_value(0).run()
    fine(page)
    assert page.table[-1].value.equals(after)
    assert any(
        text.value.startswith(line("rnn", runs["rnn"]).replace("**RNN**", "**RNN** trained")) for text in page.markdown
    )
    assert charts(page)[0]["layout"]["yaxis2"]["title"]["text"] == "accuracy<br>after training"
    assert cell_with_state("rnn", {"rnn": "update 0"}) in page.table[0].value.columns


def test_at_an_earlier_step_the_details_show_the_trained_cells(page):
    page.select_slider(key="step").set_value(0).run()
    page.session_state["details"] = "Hidden, cell, input"
    names = {trace.get("name", "").partition(":")[0] for trace in charts(fine(page.run()))[2]["data"]}
    assert {cell_with_state(cell, {cell: "trained"}) for cell in ("rnn", "lstm")} <= names


def test_another_threshold_changes_the_horizons_of_table_and_sentences(page, runs):
    page.select_slider(key="threshold").set_value(0.1).run()
    before, after = ({cell: at_threshold(each, 0.1) for cell, each in decays.items()} for decays in (
        {cell: run.before for cell, run in runs.items()}, {cell: run.after for cell, run in runs.items()},
    ))  # fmt: skip
    assert f"horizon after training{threshold_suffix(after['rnn'])}" in fine(page).table[-1].value.to_string()
    lines = [line for text in page.markdown for line in text.value.splitlines()]
    for cell, run in runs.items():
        assert line(cell, run, before[cell], after[cell]) in lines
    assert any(describe_horizon_range(before[cell]) != describe_horizon_range(after[cell]) for cell in runs)


@pytest.mark.parametrize("tab", ["What trains the weights", "Hidden, cell, input"])
def test_a_detail_is_drawn_below(page, tab):
    page.session_state["details"] = tab
    fine(page.run())
    assert len(charts(page)) == 3
