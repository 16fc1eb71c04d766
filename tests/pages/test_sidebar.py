"""The sidebar: every setting at both ends, values from the URL, settings that do not apply."""

import re
from itertools import product

import pytest

from analysis.experiment import CELLS, SETTINGS
from pages.ui.sidebar import EVERYTHING, FIRST, HOME, MORE
from pages.ui.sources import OF_DATA, OF_TEXT
from tests.helpers.app import SMALL, app, charts, fine

# Streamlit's test runner leaves its temporary folder to the garbage collector.
pytestmark = [pytest.mark.filterwarnings("ignore::ResourceWarning"), pytest.mark.usefixtures("no_runs")]


PICTURES = {"home/home": 3, "measure/decay": 1, "measure/gates": 2, "measure/bounds": 3}


def element(at, name):
    for kind in ("slider", "number_input", "selectbox"):
        try:
            return getattr(at, kind)(key=name)
        except KeyError:
            continue
    raise KeyError(name)


@pytest.mark.parametrize("page", PICTURES)
def test_every_number_at_both_ends(page):
    at = app(f"pages/{page}.py", length=6, hidden_size=4, seeds=1, show="a real cell", gates_tab="Carry by distance")
    for name in (*FIRST, *MORE):
        about, before = SETTINGS[name], at.session_state[name]
        for end in () if about.choices else (about.low, about.page_high or about.high):
            fine(element(at, name).set_value(end).run())
            experiments = at.session_state["settings"].experiments.values()
            assert end in {getattr(each, name) for each in experiments}
            assert (len(charts(at)), len(at.error)) == (PICTURES[page], 0), f"{name}={end}"
            element(at, name).set_value(before)  # which the next run takes along


def test_every_cell_init_and_activation():
    at = app(**{name: str(value) for name, value in SMALL.items()})
    for init, activation in product(SETTINGS["init"].choices, SETTINGS["activation"].choices):
        element(at, "init").set_value(init)
        element(at, "activation").set_value(activation).run()
        fine(at)
        assert not at.error
        assert {"RNN", "LSTM", "GRU"} <= {trace.get("name") for trace in charts(at)[-1]["data"]}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("length", "9999999999"), ("length", "abc"), ("length", "nan"), ("length", "-3"), ("length", "1e400"),
        ("hidden_size", "0"), ("hidden_size", "inf"), ("hidden_size", "3.7"), ("seeds", "64000"), ("gain", "nan"),
        ("gain", "1e308"), ("gain", ""), ("forget_bias", "nan"), ("forget_bias", "-inf"), ("init", "<script>"),
        ("init", ""), ("task", "../../etc/passwd"), ("cells", "TRANSFORMER"), ("cells", "99"), ("steps", "nan"),
        ("learning_rate", "0"), ("seed", "-1"), ("seed", "1e99"), ("text_file", "/etc/passwd"), ("start", "x" * 3000),
        ("unknown", "1"), ("clip", "NaN"), ("batch_size", "1.5"), ("symbols", "NaN"), ("layers", "nan"),
    ],
)  # fmt: skip
def test_hostile_urls_fall_back(name, value):
    small = {key: str(number) for key, number in SMALL.items() if key != name}
    at = fine(app(**small | {name: value}))
    assert (len(charts(at)), len(at.error)) == (3, 0)
    if name in SETTINGS and name != "text_file":
        about, now = SETTINGS[name], at.session_state[name]
        assert now is None or about.choices or about.low <= now <= about.high


def test_a_path_never_comes_from_the_url():
    at = fine(app(task="text", text_file="/etc/passwd", **{**SMALL, "length": "20"}))
    assert {each.text_file for each in at.session_state["settings"].experiments.values()} == {"english"}


def test_a_setting_that_does_not_apply_is_named():
    at = fine(app("pages/measure/decay.py", forget_bias="3", **SMALL))
    assert "The RNN has no gates, so Forget bias is ignored for it." in [text.value for text in at.caption]
    assert at.session_state["settings"].experiments["gru"].forget_bias == 3


def test_chrono_takes_the_forget_bias_over():
    at = fine(app(forget_bias="3", init="chrono", **SMALL))
    assert not at.error
    assert at.number_input(key="forget_bias").disabled


def test_the_slider_of_a_number_that_may_be_unset_shows_the_one_in_use():
    at = fine(app(**{name: str(value) for name, value in SMALL.items() if name != "length"}))
    assert (at.number_input(key="length").value, at.select_slider(key="length_slider").value) == (None, 30)
    fine(at.select_slider(key="length_slider").set_value(20).run())
    assert at.number_input(key="length").value == 20
    assert {each.length for each in at.session_state["settings"].experiments.values()} == {20}
    fine(at.number_input(key="length").set_value(37).run())  # between two stops
    assert at.select_slider(key="length_slider").value == 37
    at.number_input(key="length").set_value(None)
    fine(at.selectbox(key="task").set_value("copy").run())
    assert at.select_slider(key="length_slider").value == 50  # the task's own


def test_a_link_is_read_in_any_case_and_without_what_no_widget_can_show():
    settings = {**SMALL, "cells": "lstm", "task": "RECALL", "hidden_size": "9000", "gain": "nan", "batch_size": "1.5"}
    at = fine(app(**{name: str(value) for name, value in settings.items()}))
    assert (at.session_state["cells"], at.session_state["task"]) == (["lstm"], "recall")
    (said,) = [toast.value for toast in at.toast]
    assert said.startswith("Ignored in the link: ") and "SMALL" not in said
    for left_out in (
        "hidden\\_size=9000, expected a whole number from 1 to 512",
        "gain=nan, expected a number from 0.1 to 3",
        "batch\\_size=1.5, expected a whole number from 1 to 4096",
    ):
        assert left_out.replace("\\", "") in said.replace("\\", "")
    assert not at.run().toast  # once


def test_a_page_hides_what_it_does_not_read_and_keeps_it():
    at = fine(app(**{name: str(value) for name, value in SMALL.items()}))

    def hidden():
        styles = [each.proto.body for each in at.get("html") if "display: none }" in each.proto.body]
        return {name for name in EVERYTHING if any(re.search(rf"\.st-key-{name}(_row)?\b", style) for style in styles)}

    assert hidden() == {*EVERYTHING} - {*HOME} | {*OF_TEXT, *OF_DATA}
    fine(at.switch_page("pages/measure/decay.py").run())
    assert hidden() == {*OF_TEXT, *OF_DATA}
    fine(at.switch_page("pages/runs/runs.py").run())
    assert hidden() == {*EVERYTHING}
    assert at.session_state["hidden_size"] == 4 and at.query_params["hidden_size"] == "4"


@pytest.mark.parametrize("page", ["measure/bounds", "understand/cell"])
def test_a_page_that_asks_for_its_cell_needs_none_in_the_sidebar(page):
    at = app(**{name: str(value) for name, value in SMALL.items()}, show="a real cell")
    at.pills(key="cells").set_value([]).run()
    fine(at.switch_page(f"pages/{page}.py").run())
    assert charts(at) and not at.error


def test_reset_gives_every_setting_its_default():
    at = app(cells="RNN", init="identity", layers="2", **SMALL)
    next(button for button in at.button if button.label == "Reset").click().run()
    fine(at)
    assert at.session_state["cells"] == list(CELLS)
    assert all(at.session_state[name] == SETTINGS[name].default for name in (*FIRST, *MORE))
    fine(at.button(key="undo_reset").click().run())
    assert (at.session_state["cells"], at.session_state["init"], at.session_state["layers"]) == (["rnn"], "identity", 2)
    assert at.button(key="reset").label == "Reset"


def test_a_text_that_can_not_be_used_is_named_as_its_user_does():
    at = app(task="text", **SMALL)
    (widget,) = (each for each in at.get("file_uploader") if each.key == "upload")
    widget.set_value(("same.txt", b"a" * 500, "text/plain"))
    (error,) = at.run().error
    assert error.value == "text\\_file\\='same.txt': one character alone: expected at least two"
