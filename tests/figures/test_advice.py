import numpy as np

from analysis.figures.advice import setting, values_of
from tests.measures.test_advice import trial

NOW, FAR, EXPLODING = trial(1, 0.001), trial(2, 0.5, price=3.0), trial(2, 1e6)
TRIALS = {"rnn": {"default": NOW, "orthogonal": EXPLODING}, "lstm": {"default": NOW, "orthogonal": FAR, "chrono": FAR}}


def test_each_value_has_dots_that_name_it_and_a_cross_where_it_explodes():
    figure = setting("init", TRIALS, "orthogonal")
    assert values_of(TRIALS) == ["default", "orthogonal", "chrono"]
    dots = [trace for trace in figure.data if trace.mode == "markers"]
    assert [trace.legendgroup for trace in dots] == ["0", "1", "2"]
    assert list(dots[1].marker.symbol) == ["x", "circle"]
    assert "RNN, orthogonal: horizon explodes ×1e6" in dots[1].text[0]
    assert list(dots[2].marker.color) == ["#0072B2"]
    assert list(figure.layout.xaxis2.ticktext) == ["default", "<b>orthogonal</b>", "chrono"]
    assert figure.layout.shapes[0].x0 == 1
    assert all(trace.hoverinfo == "skip" for trace in figure.data if trace.mode == "lines")


def test_prices_lie_below_horizons():
    figure = setting("init", TRIALS, "default")
    prices = {trace.name: trace for trace in figure.data if trace.yaxis == "y2"}
    np.testing.assert_array_equal(prices["LSTM"].y, [1, 3, 3])
    assert figure.layout.yaxis2.range == (0, 1)


def test_runs_are_dots_in_a_panel_of_their_own_where_there_are_several():
    metrics = {"lstm": {"default": [0.25, 0.75], "chrono": [1.0, None]}, "rnn": {"default": [0.5]}}
    figure = setting("init", TRIALS, "default", metrics, "accuracy")
    runs = [trace for trace in figure.data if trace.yaxis == "y3"]
    assert [trace.name for trace in runs] == ["LSTM trained"]
    np.testing.assert_array_equal(runs[0].y, [0.5, 1.0])
    np.testing.assert_array_equal(runs[0].x, [0, 2])
    assert figure.layout.yaxis3.title.text == "accuracy"
    assert (
        "yaxis3" not in setting("init", TRIALS, "default", {"rnn": {"default": [0.5]}}, "accuracy").to_dict()["layout"]
    )
