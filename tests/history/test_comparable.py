"""Runs are grouped by task and settings: one per cell, the newest, the newest group first."""

from analysis.experiment import Experiment
from analysis.history.comparable import group_comparable

RNN, LSTM, GRU = (Experiment(cell=cell) for cell in ("rnn", "lstm", "gru"))


def ids(runs):
    return [group.ids for group in group_comparable(runs)]


def test_one_per_cell_the_newest_in_the_order_of_cells():
    runs = [("g", GRU), ("new", LSTM), ("r", RNN), ("old", LSTM.replace(snapshot_every=5))]
    assert ids(runs) == [{"rnn": "r", "lstm": "new", "gru": "g"}]
    assert list(group_comparable(runs)[0].ids) == ["rnn", "lstm", "gru"]


def test_other_settings_are_other_groups_the_newest_first():
    runs = [("a", GRU.replace(hidden_size=8)), ("b", LSTM), ("c", GRU.replace(task="adding")), ("d", GRU)]
    assert ids(runs) == [{"gru": "a"}, {"lstm": "b", "gru": "d"}, {"gru": "c"}]


def test_a_length_left_unset_is_the_tasks_own():
    assert ids([("a", LSTM.replace(length=30)), ("b", GRU)]) == [{"lstm": "a", "gru": "b"}]


def test_an_rnn_is_compared_with_gates_however_they_start():
    biased, chrono = LSTM.replace(forget_bias=3.0), GRU.replace(init="chrono")
    assert ids([("b", biased), ("r", RNN), ("c", chrono)]) == [{"rnn": "r", "lstm": "b"}, {"rnn": "r", "gru": "c"}]
    orthogonal = RNN.replace(init="orthogonal")
    assert ids([("b", biased), ("o", orthogonal)]) == [{"lstm": "b"}, {"rnn": "o"}]


def test_the_first_is_one_that_has_all_settings():
    biased = LSTM.replace(forget_bias=3.0)
    (group,) = group_comparable([("r", RNN), ("b", biased)])
    assert group.first == biased
    (alone,) = group_comparable([("r", RNN)])
    assert alone.first == RNN


def test_nothing_gives_no_group():
    assert ids([]) == []
