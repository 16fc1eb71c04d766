"""Sentences on how long trainings take."""

import pytest

from analysis.report.sentences.estimate import cost_sentence, describe_duration, progress_line


def test_durations_are_written_roughly():
    said = [describe_duration(seconds) for seconds in (0, 0.2, 8, 43, 200, 9000)]
    assert said == ["1 s", "1 s", "8 s", "40 s", "3 min", "2.5 h"]


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ((3, 4, 10.2, 0), "3 cells × 4 seeds, about 10 s"),
        ((1, 1, 10.2, 1), "1 cell × 1 seed, about 10 s, after 1 other run"),
        ((2, 4, 150, 2), "2 cells × 4 seeds, about 2 min, after 2 other runs"),
    ],
)
def test_a_cost_names_what_is_trained(numbers, said):
    assert cost_sentence(*numbers) == said


@pytest.mark.parametrize(
    ("updates", "waiting", "said"),
    [
        ({"lstm": 120, "gru": 80}, [], "LSTM 120, GRU 80 of 500 updates, about 12 s left"),
        ({"lstm": 120}, ["gru"], "LSTM 120 of 500 updates; GRU waits for a free core, about 12 s left"),
        ({}, ["rnn", "lstm"], "RNN and LSTM wait for a free core, about 12 s left"),
    ],
)
def test_progress_always_says_the_time_left(updates, waiting, said):
    assert progress_line(updates, waiting, 500, 12.0) == said
