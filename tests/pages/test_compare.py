"""The page Compare: what it asks for, what it shows first, while it trains and after, and what it exports."""

import json
import re

import numpy as np
import pytest

from analysis.history.shipped import load_shipped
from analysis.jobs.grid import parse_grid
from analysis.jobs.judgement import judge
from analysis.plan import Plan
from pages.ui import compare, compare_plan, training
from tests.helpers.app import SMALL, app, charts, fine, until, values
from tests.helpers.data import sequences

PAGE = "pages/measure/compare.py"
TINY = {name: str(value) for name, value in SMALL.items() if name != "length"} | {
    "lengths": "5, 6",
    "rate": compare_plan.SAME,
}

# Streamlit's test runner leaves its temporary folder to the garbage collector.
pytestmark = [pytest.mark.filterwarnings("ignore::ResourceWarning"), pytest.mark.usefixtures("no_runs")]


@pytest.fixture(autouse=True)
def shown(monkeypatch):
    """Return a list of the comparisons that pages have shown."""
    shown, find = [], compare.find

    def found(plan):
        shown.append(find(plan))
        return shown[-1]

    monkeypatch.setattr(compare, "find", found)
    yield shown
    compare.forget_all()


def opened(**settings):
    return fine(app(PAGE, **settings))


def compared(at, shown):
    """Press Compare, wait until all is trained, and draw the page again."""
    fine(at.button(key="compare").click().run())
    until(lambda: not shown[-1].campaign.under_way)
    return fine(at.run())


def said(at):
    return [text.value.replace("\\", "") for text in (*at.markdown, *at.caption, *at.info)]


def names(picture):
    return {trace.get("name") for trace in picture["data"] if trace.get("name")}


def test_shipped_runs_are_shown_before_any_training_and_not_called_a_comparison():
    at = opened()
    assert any(text.startswith("## Not yet a fair comparison: 3 of 9 settings") for text in said(at))
    success, metric = charts(at)
    assert {"RNN", "LSTM", "GRU"} <= names(success) & names(metric)
    (lstm,) = [trace for trace in metric["data"] if trace.get("name") == "LSTM"]
    assert np.median(load_shipped("recall-lstm").metric) == values(lstm["y"])[0]
    assert not training.jobs().rows()


def test_an_empty_comparison_says_what_to_do_and_what_it_takes():
    at = opened(**TINY)
    assert at.info[0].value.startswith("Nothing of this is trained yet. Press Compare")
    assert any(re.match(r"6 settings × 2 seeds, about \d+ s\.", text) for text in said(at))
    assert len(charts(at)) == 2 and not at.error


def test_what_is_pressed_is_trained_drawn_and_said(shown):
    at = compared(opened(**TINY), shown)
    assert "Compared: every training is done." in said(at) and at.button(key="compare").disabled
    rows = shown[-1].judge().rows
    assert [(row.experiment.cell, row.experiment.length) for row in rows] == [
        (cell, length) for cell in ("rnn", "lstm", "gru") for length in (5, 6)
    ]
    assert {row.experiment.learning_rate for row in rows} == {0.005} and len(training.jobs().rows()) == 6
    verdicts = shown[-1].judge().verdicts
    assert f"## {verdicts[0]}" in said(at) and any(verdicts[-1] in text for text in said(at))
    assert {"RNN", "LSTM", "GRU"} <= names(charts(at)[0])
    assert list(at.dataframe[0].value["Cell"]) == ["RNN", "RNN", "LSTM", "LSTM", "GRU", "GRU"]


def test_another_visitor_finds_it_again_also_after_the_server_has_forgotten_it(shown):
    compared(opened(**TINY), shown)
    opened(**TINY)
    assert shown[-1] is shown[0]
    compare.forget_all()
    assert "Compared: every training is done." in said(opened(**TINY)) and shown[-1] is not shown[0]


def test_learning_rates_are_chosen_first_and_pilots_are_no_rows(shown):
    at = opened(**TINY | {"rate": compare_plan.CHOSEN, "rates": "0.001, 0.1", "cells": "GRU", "lengths": "6"})
    assert any("2 short trainings to choose learning rates" in text for text in said(at))
    compared(at, shown)
    comparison = shown[-1].judge()
    assert len(comparison.rows) == 1 and len(training.jobs().rows()) == 3
    assert comparison.fairness.learning_rates["gru"] in (0.001, 0.1)
    at = opened(**TINY | {"rate": compare_plan.CHOSEN, "rates": "0.001, 0.1", "cells": "GRU", "lengths": "6",
                          "compare_tab": compare.NAMES[3]})  # fmt: skip
    assert any("on 2 seeds that aren't counted, at length 6" in text for text in said(at))


def test_cancel_loses_nothing(shown):
    endless = TINY | {"steps": "100000", "cells": "GRU", "lengths": "500"}
    at = opened(**endless)
    fine(at.button(key="compare").click().run())
    until(lambda: any(row.step for row in training.jobs().rows()))
    fine(at.run())
    assert re.search(r"0 of 1 trainings, about .* left", at.get("progress")[0].proto.text)
    fine(at.button(key="cancel").click().run())
    until(lambda: not training.jobs().under_way)
    (row,) = training.jobs().rows()
    assert row.status == "cancelled" and not at.button(key="compare").disabled
    fine(at.button(key="compare").click().run())
    until(lambda: training.jobs().rows()[0].step > row.step)
    fine(at.slider(key="hidden_size").set_value(5).run())
    assert any(text.startswith("Another comparison is under way: 0 of 1 trainings") for text in said(at))
    fine(at.button(key="cancel_other_0").click().run())
    until(lambda: not training.jobs().under_way)
    assert not any("Another comparison" in text for text in said(fine(at.run())))


def test_every_tab_draws_and_paces_are_measured_on_request_where_none_are_kept(shown, monkeypatch):
    compared(opened(**TINY | {"cells": "GRU"}), shown)
    compare.forget_all()
    at = opened(**TINY | {"cells": "GRU", "compare_tab": "Cost"})  # as after a restart: the history has them
    assert shown[-1].judge().fairness.measured_alone and not any(button.key == "pace" for button in at.button)
    compare.forget_all()
    monkeypatch.setattr("analysis.jobs.compare.known_pace", lambda plan, history: plan)
    pictures = {}
    for tab in compare.NAMES:
        at = opened(**TINY | {"cells": "GRU", "compare_tab": tab})
        assert not at.error
        pictures[tab] = len(charts(at))
    assert [*pictures.values()] == [2, 3, 4, 2]
    at = opened(**TINY | {"cells": "GRU", "compare_tab": "Cost"})
    fine(at.button(key="pace").click().run())
    assert shown[-1].judge().fairness.measured_alone and not any(button.key == "pace" for button in at.button)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"lengths": "5, many"}, "length='many': expected a whole number from 2 to 100000, or None"),
        ({"lengths": ""}, "Length: expected values with commas between, each a whole number"),
        ({"lengths": "9999999"}, "length=9999999: expected a whole number from 2 to 100000, or None"),
        ({"vary": "Gain", "vary_values": "1, 9"}, "gain=9.0: expected a number from 0.1 to 3"),
        ({"vary": "Initialisation", "vary_values": "magic"}, "init='magic': expected one of default, orthogonal"),
        ({"rate": compare_plan.CHOSEN, "rates": "0.1"}, "learning_rates=[0.1]: expected two or more different ones"),
    ],
)
def test_what_cannot_be_compared_says_what_is_accepted(settings, problem):
    at = opened(**TINY | settings)
    (error,) = at.error
    assert problem in error.value.replace("\\", "") and not charts(at)


def test_a_file_that_cannot_be_used_is_named_as_its_user_does():
    at = app(PAGE, **TINY | {"task": "text"})
    (widget,) = (each for each in at.get("file_uploader") if each.key == "upload")
    widget.set_value(("same.txt", b"a" * 500, "text/plain"))
    (error,) = fine(at.run()).error
    assert error.value.replace("\\", "") == "text_file='same.txt': one character alone: expected at least two"


def test_what_does_not_fit_this_machine_is_refused_before_it_is_trained():
    at = opened(**TINY | {"hidden_size": "512", "seeds": "64", "lengths": "1000", "batch_size": "4096"})
    assert "this machine has" in at.error[0].value and not at.get("plotly_chart")


def test_further_settings_are_axes(shown):
    opened(**TINY | {"vary": "Forget bias", "vary_values": "None, 1", "vary_too": "Gain", "vary_too_values": "1, 2"})
    assert shown[-1].plan.axes == {
        "cell": ("rnn", "lstm", "gru"), "length": (5, 6), "forget_bias": (None, 1.0), "gain": (1.0, 2.0),
    }  # fmt: skip
    assert len(shown[-1].plan.experiments()) == 2 * 2 * (1 + 2 + 2)


def test_a_setting_without_values_is_not_varied_yet(shown):
    opened(**TINY | {"vary": "Gain"})
    assert [*shown[-1].plan.axes] == ["cell", "length"]


def test_sequences_of_ones_own_are_compared_at_their_length_at_first(shown):
    at = opened(**TINY | {"task": "series"})
    assert "upload it in the sidebar" in at.info[0].value
    (data,) = (each for each in at.get("file_uploader") if each.key == "data")
    data.set_value(("mine.npz", sequences(), "application/octet-stream"))
    fine(at.run())
    assert {each.length for each in shown[-1].plan.experiments()} == {6}
    fine(at.text_input(key="own_lengths").set_value("3, 6").run())
    assert shown[-1].plan.axes["length"] == (3, 6) and not at.error


def test_a_task_of_one_length_and_one_that_counts_nothing_as_solved(shown):
    opened(**TINY | {"task": "digits"})
    assert {each.length for each in shown[-1].plan.experiments()} == {None}
    at = opened(**TINY | {"task": "text", "text": "english", "compare_tab": compare.NAMES[2]})
    assert len(charts(at)) == 3 and any("how far its median metric is from chance" in text for text in said(at))


@pytest.mark.parametrize("equal", ["parameters", "time"])
def test_other_terms_are_shown_before_any_training(equal, shown):
    at = opened(**TINY | {"equal": equal})
    assert shown[-1].plan.equal == compare_plan.TERMS[equal] and at.info


def test_the_download_holds_the_report_the_numbers_and_the_grid(shown, monkeypatch):
    rows = []
    monkeypatch.setattr(compare.export, "row", lambda *things, **more: rows.append((things, more)))
    compared(opened(**TINY | {"cells": "GRU"}), shown)
    (_name, pictures, _experiments, tables), more = rows[-1]
    documents = {name: write() for name, write in more["documents"].items()}
    assert parse_grid(documents["grid.toml"]) == shown[-1].plan
    assert "GRU" in documents["compare.html"] and "http-equiv" not in documents["compare.html"]
    written = json.loads(documents["comparison.json"])
    assert [row["metric"] for row in written["rows"]] == [row.metric.tolist() for row in shown[-1].judge().rows]
    assert tables["comparison"]().count("\n") == 1 + 2 * 2
    for draw in pictures.values():
        draw().to_json()


def test_an_uploaded_file_is_named_as_its_user_does(monkeypatch):
    plan = Plan({"task": "text", "text_file": "english", "seeds": 1})
    monkeypatch.setattr(compare_plan.sources, "with_own_name", lambda each: each.replace(text_file="mine.txt"))
    names = compare_plan.own_names(plan)
    named = compare_plan.with_files(judge(plan, []), names)
    assert names == {"text_file": "mine.txt"} == {"text_file": named.plan.settings["text_file"]}
    assert named.rows[0].experiment.text_file == "mine.txt" and compare_plan.with_files(named, {}) is named


def test_what_was_typed_is_there_after_a_visit_to_another_page():
    at = opened(**TINY)
    fine(at.text_input(key="lengths").set_value("7, 8").run())
    fine(at.switch_page("pages/runs/runs.py").run())
    fine(at.switch_page(PAGE).run())
    assert at.text_input(key="lengths").value == "7, 8"
