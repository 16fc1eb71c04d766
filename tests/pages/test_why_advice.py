"""The views of the page Why that say what would help, and what outlasts the gradient."""

import pytest

from analysis import Experiment
from analysis.measures.advice import VALUES, advise, variations
from analysis.measures.finite import measure_changes
from analysis.report.sentences.advice import best_sentence
from analysis.report.sentences.finite import change_sentence
from pages.ui import advice
from tests.helpers.app import SMALL, charts, fine, trained, values
from tests.helpers.links import opened

PAGE = "pages/understand/why.py"
BEYOND, HELP = "Memory beyond the gradient", "What would make it remember"

pytestmark = [pytest.mark.filterwarnings("ignore::ResourceWarning"), pytest.mark.usefixtures("no_runs")]


def texts(at):
    return " ".join(element.value for element in [*at.markdown, *at.caption])


def experiments(at):
    return at.session_state["settings"].experiments


def test_changes_of_one_input_are_drawn_and_said():
    at = fine(opened(PAGE, **SMALL, why_tab=BEYOND, cells=["RNN", "LSTM"]))
    drawn = {trace.get("name"): trace for trace in charts(at)[-1]["data"]}
    for cell, experiment in experiments(at).items():
        found = measure_changes(experiment)
        assert change_sentence(cell, found, {}).partition(": ")[2] in texts(at)
        assert values(drawn[f"{cell.upper()} tiny"]["y"]) == pytest.approx(found.tiny)
    assert "before training" not in drawn


def test_after_training_both_phases_are_drawn():
    at = trained(fine(opened(PAGE, **SMALL, why_tab=BEYOND, cells=["GRU"])))
    assert "before training" in {trace.get("name") for trace in charts(at)[-1]["data"]}


def test_each_setting_has_a_picture_and_the_best_change_is_named():
    at = fine(opened(PAGE, **SMALL, why_tab=HELP, cells=["RNN", "LSTM"]))
    assert len(charts(at)) == len(VALUES)  # the matrix, and every setting but the truncation that is unset
    advices = {cell: advise(experiment) for cell, experiment in experiments(at).items()}
    assert best_sentence(advices) in texts(at)


@pytest.mark.parametrize("setting, value", [("forget_bias", 3.0), ("init", "chrono"), ("gain", 2.0)])
def test_a_value_that_an_rnn_ignores_is_marked(setting, value):
    start = Experiment(cell="gru", **{setting: value})
    shown = {"rnn": Experiment(cell="rnn", gain=start.gain), "gru": start}
    trials = {cell: found for cell, each in shown.items() if (found := variations(each, setting))}
    assert advice._present(shown, trials, setting) == value


def test_a_pressed_dot_takes_its_value_over(monkeypatch):
    put = {}
    monkeypatch.setattr(advice.sidebar, "put", put.update)
    advice._take_over("gain", [0.5, 1.0, 2.0], "2")
    advice._take_over("gain", [0.5, 1.0, 2.0], "lstm")  # a line, not a dot
    assert put == {"gain": 2.0}


def test_runs_of_other_values_are_dots():
    at = trained(fine(opened(PAGE, **SMALL, why_tab=HELP, cells=["RNN"])))
    assert not any("yaxis3" in chart["layout"] for chart in charts(at)[1:])
    at.slider(key="gain").set_value(2.0).run()
    at = trained(fine(at))
    assert [chart["layout"]["xaxis3"]["title"]["text"] for chart in charts(at)[1:] if "yaxis3" in chart["layout"]] == [
        "Gain"
    ]


def test_a_second_visitor_waits_for_nothing(monkeypatch):
    measured = []
    real = advice.measure_trial
    monkeypatch.setattr(advice, "measure_trial", lambda each: measured.append(each) or real(each))
    settings = SMALL | {"seed": 31}  # measured by no other test
    first = texts(fine(opened(PAGE, **settings, why_tab=HELP, cells=["GRU"])))
    assert len(measured) == len(set(measured)) > 20
    second = texts(fine(opened(PAGE, **settings, why_tab=HELP, cells=["GRU"])))
    assert second == first and len(measured) == len(set(measured))


def test_what_takes_long_is_offered_first(monkeypatch):
    monkeypatch.setattr(advice, "PATIENCE", 0)
    at = fine(opened(PAGE, **SMALL | {"hidden_size": 5}, why_tab=HELP, cells=["RNN"]))
    assert len(charts(at)) == 1 and "takes about" in texts(at)
    first = texts(fine(at.button(key="advise_anyway").click().run()))
    assert "takes about" not in first
    second = fine(opened(PAGE, **SMALL | {"hidden_size": 5}, why_tab=HELP, cells=["RNN"]))
    assert len(charts(second)) == len(VALUES) - 1 and texts(second) == first  # what is known is not asked for again
