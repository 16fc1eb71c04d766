"""The texts to learn from: chosen in the sidebar, named by a link, taken over from a run; and words no text has."""

import pytest

from analysis import Experiment
from analysis.report.sentences.cell import unknown_warning
from analysis.tasks.vocabulary import split_words
from pages.ui import cell as ui
from pages.ui import training
from tests.helpers.app import SMALL, app, fine

pytestmark = [pytest.mark.filterwarnings("ignore::ResourceWarning"), pytest.mark.usefixtures("no_runs")]

CELL = "pages/understand/cell.py"
CHINESE = "我在法国长大，所以我会说法语。"


def text_files(at):
    return {each.text_file for each in at.session_state["settings"].experiments.values()}


@pytest.mark.parametrize("named, text_file", [("chinese", "chinese"), ("CHINESE", "chinese"), ("python help", None)])
def test_a_link_names_a_text(named, text_file):
    assert text_files(fine(app(**SMALL, task="words", text=named))) == {text_file}


@pytest.mark.parametrize("named", ["/etc/passwd", "./english", "english.txt", ""])
def test_a_link_names_no_path(named):
    at = fine(app(**SMALL, task="words", text=named))
    assert text_files(at) == {"english"}
    assert any("expected english, chinese or python help" in toast.value for toast in at.toast)


def test_a_task_that_reads_no_text_has_none():
    assert text_files(fine(app(**SMALL, text="chinese"))) == {None}


@pytest.mark.parametrize("text_file", ["chinese", None])
def test_the_text_of_a_run_is_taken_over(text_file):
    experiment = Experiment(**SMALL, task="words", text_file=text_file)
    id = training.jobs().history.add(experiment)
    training.jobs().history.write(id, {"status": "cancelled"})
    at = fine(app("pages/measure/decay.py", run=id))
    assert at.session_state["settings"].experiments == {"lstm": experiment}
    training.jobs().delete(id)


def test_an_uploaded_text_takes_the_place_of_the_chosen_one():
    at = fine(app(**SMALL, task="words", text="chinese"))
    [widget] = [each for each in at.get("file_uploader") if each.key == "upload"]
    widget.set_value(("mine.txt", b"one two three four " * 50, "text/plain"))
    (path,) = text_files(fine(at.run()))
    assert path.endswith(".txt")


def test_a_text_that_is_not_utf_8_leaves_the_chosen_one_and_its_name():
    at = fine(app("pages/measure/decay.py", **SMALL, task="words", text="chinese"))
    [widget] = [each for each in at.get("file_uploader") if each.key == "upload"]
    widget.set_value(("mine.txt", b"caf\xe9", "text/plain"))
    at.run()
    assert "mine.txt is not UTF-8" in at.error[0].value.replace("\\", "")
    assert text_files(at) == {"chinese"}
    assert "--text-file chinese" in at.code[0].value


@pytest.mark.parametrize("text, warned", [("english", True), ("chinese", False)])
def test_a_sentence_of_unknown_words_is_warned_of_and_not_interpreted(text, warned):
    at = fine(app(CELL, sentence=CHINESE, text=text, hidden_size=6))
    experiments = ui.next_word_experiments(at.session_state["settings"], "lstm")
    reading = ui.untrained_readings(experiments, split_words(CHINESE), True)["lstm"]
    assert bool(unknown_warning(reading)) == warned
    assert [text.value for text in at.warning] == [unknown_warning(reading)] * warned
    assert any(toggle.key == "hold" for toggle in at.toggle) != warned
    said = [text.value for text in at.markdown]
    assert any(text.startswith("## One loop") for text in said) != warned
    assert any("of the old on average" in text for text in said) != warned


def test_reset_goes_back_to_the_english_text():
    at = fine(app(**SMALL, task="words", text="chinese"))
    fine(at.button(key="reset").click().run())
    assert at.session_state["text"] == "english"
    fine(at.button(key="undo_reset").click().run())
    assert text_files(at) == {"chinese"}
