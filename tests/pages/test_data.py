"""Data of the visitor's own, uploaded in the sidebar: every page reads it, refuses it in a line, and trains on it."""

from functools import partial

import pytest

from analysis.report.wording import describe_experiment
from pages.ui import training
from tests.helpers.app import SMALL, app, charts, fine, trained
from tests.helpers.data import changed, sequences, table, waves

pytestmark = [pytest.mark.filterwarnings("ignore::ResourceWarning"), pytest.mark.usefixtures("no_runs")]

READING = {"home/home": 3, "measure/decay": 1, "measure/gates": 2, "measure/bounds": 3}  # pictures by page
ALWAYS = {"home/home": 1}  # of these, that of a sentence
DATA = {**SMALL, "task": "series", "gates_tab": "One sequence", "show": "a real cell"}
WAVES = table(waves(), "year,wave")


def upload(at, name, content):
    [widget] = [each for each in at.get("file_uploader") if each.key == "data"]
    widget.set_value((name, content, "application/octet-stream"))
    return fine(at.run())


@pytest.mark.parametrize("page", READING)
@pytest.mark.parametrize("name", ["waves.csv", "cases.NPZ"])
def test_every_page_asks_for_data_and_shows_what_it_measures(page, name):
    at = fine(app(f"pages/{page}.py", **DATA))
    assert len(charts(at)) == ALWAYS.get(page, 0) and "upload it in the sidebar" in at.info[0].value
    upload(at, name, WAVES if name == "waves.csv" else sequences())
    assert (len(charts(at)), len(at.error), len(at.info)) == (READING[page], 0, 0)
    assert any("year counts evenly" in text.value for text in at.caption) == (name == "waves.csv")
    if at.code:
        assert f"--data-file {name}" in at.code[0].value


@pytest.mark.parametrize("page", READING)
def test_data_that_can_not_be_used_is_refused_by_the_name_its_visitor_knows(page):
    content = table(changed(waves(), 5, 1, "n/a"), "year,wave")
    at = upload(app(f"pages/{page}.py", **DATA), "my waves.csv", content)
    [error] = at.error
    expected = "data_file='my waves.csv': row 7, column 2 (wave) is 'n/a': expected a number"
    assert error.value.replace("\\", "") == expected and len(charts(at)) == ALWAYS.get(page, 0)
    assert not any("goldfish-" in caption.value for caption in at.caption)  # the server's own path


def test_the_length_of_sequences_is_theirs_until_another_is_chosen():
    at = upload(app("pages/measure/decay.py", **DATA | {"length": ""}), "cases.npz", sequences())
    assert at.select_slider(key="length_slider").value == 6
    assert {each.length for each in at.session_state["settings"].experiments.values()} == {6}
    at.number_input(key="length").set_value(9)
    [error] = fine(at.run()).error
    assert "length=9: x has 6 time steps: expected 2 to 6" in error.value.replace("\\", "")


def test_columns_are_chosen_and_linked_and_a_reset_reads_all():
    at = upload(app("pages/measure/decay.py", **DATA, columns="wave"), "waves.csv", WAVES)
    assert {each.columns for each in at.session_state["settings"].experiments.values()} == {"wave"}
    at.text_input(key="columns").set_value("wave,nope")
    assert "no column 'nope': expected some of year, wave" in fine(at.run()).error[0].value.replace("\\", "")
    fine(at.button(key="reset").click().run())
    assert at.session_state["columns"] is None


@pytest.mark.parametrize("named", ["/etc/passwd", "waves.csv"])
def test_a_link_names_no_file(named):
    at = fine(app("pages/measure/decay.py", **DATA, data_file=named))
    assert {each.data_file for each in at.session_state["settings"].experiments.values()} == {None}


def test_a_training_is_kept_under_the_content_of_the_file():
    page = partial(app, "pages/measure/decay.py", **DATA, columns="wave", cells="GRU")
    trained(at := upload(page(), "waves.csv", WAVES))
    assert any("repeating the last value" in text.value for text in at.markdown)
    [row] = training.jobs().rows()
    assert row.status == "finished" and describe_experiment(row.experiment).startswith(
        "GRU, series 6, waves.csv, Columns"
    )
    renamed = upload(page(), "same.csv", WAVES)
    assert renamed.button(key="train").disabled  # it is trained
    other = upload(
        app("pages/measure/decay.py", **DATA, columns="wave", cells="GRU"), "waves.csv", WAVES + b"\n1980,0\n"
    )
    assert not other.button(key="train").disabled
    at = fine(app("pages/measure/decay.py", run=row.id))
    assert (at.session_state["task"], at.session_state["columns"]) == ("series", "wave")
    assert "upload it in the sidebar" in at.info[0].value
