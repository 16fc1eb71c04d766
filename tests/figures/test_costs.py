"""The picture of what a GRU costs: bars are shares of the LSTM's numbers, times with their range."""

import numpy as np

from analysis.figures import style
from analysis.figures.costs import costs
from analysis.reading import Race

COUNTS = {"lstm": {"parameters": 6400, "multiply_adds": 6240}, "gru": {"parameters": 4800, "multiply_adds": 4704}}


def test_bars_are_shares_and_say_both_numbers():
    (bars,) = costs(COUNTS).data
    np.testing.assert_allclose(bars.x, [0.75, 4704 / 6240])
    assert bars.text == ("4,800 of 6,400", "4,704 of 6,240") and bars.marker.color == style.COLOURS["gru"]
    assert costs(COUNTS).layout.shapes[0].x0 == 1


def test_a_measured_time_has_its_range():
    lstm = np.array([1e-4, 2e-4, 1e-4])
    race = Race(words=("it",), lstm=lstm, gru=lstm * [0.7, 0.8, 2.0])
    figure = costs(COUNTS, race)
    bars, reach = figure.data
    assert bars.x[2] == 0.8 and bars.text[2] == "160 of 100 µs"
    np.testing.assert_allclose(reach.x, [0.7, 2.0])
    assert reach.y[0] == bars.y[2] and figure.layout.xaxis.range[1] > 2
