"""The pictures of a comparison: what is drawn is what its rows hold."""

import re
from dataclasses import replace

import numpy as np
import pytest

from analysis.figures import style
from analysis.figures.bargain import COSTS, metric_against_cost
from analysis.figures.comparison_report import comparison_pictures
from analysis.figures.foretelling import foretelling
from analysis.figures.success import metric, solved_share
from analysis.jobs.judgement import judge
from analysis.plan import Plan
from analysis.report.sentences.comparing import horizon_sentence
from tests.helpers.comparisons import judged, run_of

PLAN = Plan({"cell": ["lstm", "gru"], "length": [10, 20], "seeds": 4, "hidden_size": 4})


def by_name(figure):
    return {trace.name: trace for trace in figure.data if trace.name}


def test_shares_stand_at_their_lengths_within_wilsons_interval():
    drawn = by_name(solved_share(judged(PLAN, [4, 1, 4, 4])))
    assert [*drawn["LSTM"].x] == [10, 20] and [*drawn["LSTM"].y] == [1, 0.25] and [*drawn["GRU"].y] == [1, 1]
    np.testing.assert_allclose(drawn["LSTM"].customdata[1, :2], [0.0456, 0.6994], atol=1e-3)
    band = drawn["LSTM range"]
    assert min(band.y) == drawn["LSTM"].customdata[1, 0] and max(band.y) == 1
    assert drawn["GRU"].line.color == style.COLOURS["gru"]


def test_the_metric_has_its_range_chance_and_where_it_is_solved():
    figure = metric(judged(PLAN, [4, 1, 4, 4]))
    drawn = by_name(figure)
    assert [*drawn["LSTM"].y] == [1, 0.3] and [*drawn["LSTM"].customdata[1, :2]] == [0.3, 1]
    assert [*drawn["chance"].y] == [0.125, 0.125] and [*drawn["solved"].y] == [0.95, 0.95]
    assert {note.text for note in figure.layout.annotations} == {"chance", "solved"}


def test_what_is_not_trained_yet_is_not_drawn():
    plan = Plan(PLAN.settings)
    some = [run_of(each, 4) for each in plan.experiments()[:3]]
    drawn = by_name(solved_share(judge(plan, some)))
    assert [*drawn["LSTM"].x] == [10, 20] and len(drawn["GRU"].x) == 1 and drawn["GRU"].error_y.array is not None
    assert drawn["GRU"].customdata[0, 2] == 10
    assert "LSTM" not in by_name(metric(judge(plan, [])))


def test_marks_of_a_single_length_lie_beside_one_another():
    drawn = by_name(solved_share(judged(Plan({"cell": ["lstm", "gru"], "length": 10, "seeds": 4}), [4, 4])))
    assert drawn["LSTM"].x[0] < 10 < drawn["GRU"].x[0]


def test_further_axes_get_a_panel_for_each_combination():
    plan = Plan({"cell": "gru", "length": [10, 20], "gain": [1.0, 2.0], "layers": [1, 2], "seeds": 4})
    for draw in (solved_share, metric):
        figure = draw(judged(plan, range(8)))
        titles = [note.text for note in figure.layout.annotations if note.text not in ("chance", "solved")]
        assert titles == ["Gain 1, Layers 1", "Gain 1, Layers 2", "Gain 2, Layers 1", "Gain 2, Layers 2"]
        lines = [trace for trace in figure.data if trace.name == "GRU"]
        assert {line.yaxis for line in lines} == {"y", "y2", "y3", "y4"}
        assert [line.showlegend for line in lines] == [True, False, False, False]
        assert figure.layout.xaxis4.title.text and not figure.layout.xaxis.title.text


def test_far_apart_lengths_stand_on_a_logarithmic_axis():
    figure = metric(judged(Plan({"cell": "gru", "length": [10, 100]}), [4, 4]))
    assert figure.layout.xaxis.type == "log" and [*figure.layout.xaxis.tickvals] == [10, 100]


def test_where_chance_is_far_above_the_picture_shows_what_differs():
    plan = Plan({"cell": ["lstm", "gru"], "task": "adding", "length": [20, 50]})
    runs = [replace(run_of(e, metric=[m] * 4, threshold=None, name="mse"), chance=3.0)
            for e, m in zip(plan.experiments(), (0.2, 0.3, 0.25, 0.35), strict=True)]  # fmt: skip
    runs = [replace(run, memory=replace(run.memory, repeating=0.8)) for run in runs]
    figure = metric(judge(plan, runs))
    assert figure.layout.yaxis.range == (0, pytest.approx(1.15 * 0.8)) and "chance" not in by_name(figure)
    assert [*by_name(figure)["repeating the last value"].y] == [0.8, 0.8]
    assert {"chance 3, above", "repeating the last value"} == {note.text for note in figure.layout.annotations}
    cost = metric_against_cost(judge(plan, runs), "parameters")
    assert cost.layout.yaxis.range == figure.layout.yaxis.range and cost.layout.annotations[0].text == "chance 3, above"
    assert not metric(judge(plan, [])).layout.yaxis.range


@pytest.mark.parametrize("cost", COSTS.values())
def test_costs_are_those_of_the_rows(cost):
    comparison = judged(PLAN, [4, 1, 4, 4])
    drawn = by_name(metric_against_cost(comparison, cost))
    rows = [row for row in comparison.rows if row.experiment.cell == "lstm"]
    assert [*drawn["LSTM"].x] == [getattr(row, cost) for row in rows]
    assert [*drawn["LSTM"].y] == [1, 0.3] and drawn["LSTM"].hovertext[0] == "LSTM, Length 10"


def test_horizons_are_shares_of_each_sequence_with_threshold_and_correlation():
    plan = Plan({"cell": "lstm", "forget_bias": [*range(8)], "length": [10, 20]})
    runs = [run_of(e, 4 * (e.forget_bias > 3), horizons=(e.forget_bias + 1, 9.0)) for e in plan.experiments()]
    comparison = judge(plan, runs)
    figure = foretelling(comparison, "before")
    drawn = by_name(figure)
    assert sorted(drawn["LSTM"].x) == sorted([*np.arange(1, 9) / 9, *np.arange(1, 9) / 19])
    assert drawn["threshold at start"].x[0] == comparison.thresholds["before"].share == 5 / 19
    assert re.search(r"<br>ρ 0.\d+ \(.*\); at equal length 0.873, p = .0\d+", figure.layout.xaxis.title.text)
    assert "dashed line" in horizon_sentence(comparison)
    assert "LSTM, Forget bias 1, Length 20: horizon 2 of 19 time steps" in drawn["LSTM"].text
    few = judge(PLAN, [run_of(each, 4 * k, horizons=(9.0 * k, 9.0)) for k, each in enumerate(PLAN.experiments()[:2])])
    assert "threshold at start" not in by_name(foretelling(few, "before"))
    assert "dashed line" not in horizon_sentence(few)


def test_where_nothing_counts_as_solved_the_metric_is_drawn():
    plan = Plan({"cell": ["lstm", "gru"], "task": "adding", "length": 50})
    runs = [replace(run_of(e, metric=[m] * 4, threshold=None, name="mse"), chance=0.2)
            for e, m in zip(plan.experiments(), (0.2, 0.05), strict=True)]  # fmt: skip
    figure = foretelling(judge(plan, runs), "before")
    drawn = by_name(figure)
    assert ([*drawn["LSTM"].y], [*drawn["GRU"].y]) == ([0], [pytest.approx(0.75)])
    assert "from chance" in figure.layout.yaxis.title.text


def test_a_threshold_with_one_setting_above_it_is_not_drawn():
    settings = zip(PLAN.experiments(), (4, 0, 0, 0), (9, 2, 3, 4), strict=True)
    comparison = judge(PLAN, [run_of(each, count, horizons=(at, 9.0)) for each, count, at in settings])
    assert "threshold at start" not in by_name(foretelling(comparison, "before"))


def test_a_task_that_counts_nothing_as_solved_has_no_picture_of_success():
    plan = Plan({"task": "text", "cell": ["lstm", "gru"], "seeds": 2, "length": 10})
    runs = [run_of(each, metric=[2.0, 2.5], threshold=None, name="nats per character") for each in plan.experiments()]
    pictures = comparison_pictures(judge(plan, runs))
    assert "metric" in pictures and "horizon-at-start" in pictures and "success" not in pictures
    for draw in pictures.values():
        draw().to_json()
