"""Home: how far back the untrained cells of the sidebar reach."""

import pytest

from analysis.experiment import SETTINGS
from analysis.report.sentences.decay import untrained_sentence
from tests.helpers.app import SMALL, app, charts, fine, untrained

# Streamlit's test runner leaves its temporary folder to the garbage collector.
pytestmark = [pytest.mark.filterwarnings("ignore::ResourceWarning"), pytest.mark.usefixtures("no_runs")]


@pytest.fixture(scope="module")
def home():
    return app(**SMALL)


def headline(at):
    """Return the sentence on the page's own decays, as the page shows it."""
    return f"## {untrained_sentence({cell: measured.decay for cell, measured in untrained(at).items()})}"


def test_home_shows_three_cells_and_says_what_it_shows(home):
    fine(home)
    assert not home.error
    names = {trace.get("name") for trace in charts(home)[0]["data"]}
    assert {"RNN", "LSTM", "GRU", "threshold"} <= names
    assert headline(home) in [text.value for text in home.markdown]


def test_home_starts_at_the_lesson():
    at = fine(app())
    assert headline(at) in [text.value for text in at.markdown]
    assert any("1 % is a convention" in text.value for text in at.caption)


@pytest.mark.parametrize("task", SETTINGS["task"].choices)
def test_every_task_on_home(task):
    if task == "digits":
        pytest.importorskip("sklearn")
    at = fine(app(task=task, hidden_size="4", seeds="1", length="20"))
    assert not at.error
    (picture,) = charts(at)
    assert {"RNN", "LSTM", "GRU"} <= {trace.get("name") for trace in picture["data"]}
    assert at.slider(key="symbols").disabled == (task not in ("recall", "copy"))


def test_no_cell_is_a_clear_line(home):
    at = app(**SMALL)
    at.pills(key="cells").set_value([]).run()
    assert not at.exception
    assert "at least one cell" in at.error[0].value


def test_one_cell_alone():
    at = fine(app(cells="GRU", **SMALL))
    assert {trace.get("name") for trace in charts(at)[0]["data"]} >= {"GRU"}
    assert "RNN" not in {trace.get("name") for trace in charts(at)[0]["data"]}
