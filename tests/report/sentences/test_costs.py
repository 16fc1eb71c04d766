"""What a GRU saves, in a sentence whose numbers are those counted and measured."""

import numpy as np

from analysis.reading import Race
from analysis.report.sentences.costs import costs_sentence

LSTM, GRU = {"parameters": 6400, "multiply_adds": 6240}, {"parameters": 4800, "multiply_adds": 4704}


def race(*ratios):
    lstm = np.full(len(ratios), 2e-4)
    return Race(words=("it",), lstm=lstm, gru=lstm * ratios)


def said(*what):
    """The sentence, with plain spaces."""
    return costs_sentence(*what).replace("\u00a0", " ")


def test_what_is_counted():
    assert said(LSTM, GRU) == (
        "Yes: 25 % fewer parameters (numbers to learn) than the LSTM, and 25 % less work per word (multiply-adds)."
    )


def test_a_time_that_differs_in_every_repeat():
    assert said(LSTM, GRU, race(0.7, 0.8, 0.75)).endswith(
        "Reading takes it 75 % of the LSTM's time (70–80 % in 3 repeats)."
    )
    assert said(LSTM, GRU, race(1.3, 1.2)).endswith("takes it 125 % of the LSTM's time (120–130 % in 2 repeats).")


def test_a_range_that_spans_the_same_time_is_no_difference():
    assert said(LSTM, GRU, race(0.9, 1.1, 0.97)).endswith(
        "No measurable difference in time here: 97 % (90–110 % in 3 repeats)."
    )
    assert "No measurable difference" in said(LSTM, GRU, race(1.0, 0.9))
