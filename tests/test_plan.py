import doctest
import re

import numpy as np
import pytest

from analysis import Plan, plan
from analysis.jobs import grid
from analysis.measures import statistics
from analysis.plan import MOST_ROWS
from analysis.report import wording
from tests.helpers.data import sequences


@pytest.mark.parametrize("module", [plan, grid, statistics, wording])
def test_the_examples_are_true(module):
    failed, tried = doctest.testmod(module)
    assert tried and not failed


def test_lists_are_axes_and_all_combinations_are_compared():
    plan = Plan({"cell": ["rnn", "gru"], "length": [10, 20], "steps": 80})
    assert plan.axes == {"cell": ("rnn", "gru"), "length": (10, 20)}
    assert [(e.cell, e.length, e.steps) for e in plan.experiments()] == [
        ("rnn", 10, 80), ("rnn", 20, 80), ("gru", 10, 80), ("gru", 20, 80),
    ]  # fmt: skip
    assert plan.cells == ("rnn", "gru")
    assert Plan({"cell": ["gru"]}).axes == {}  # a list of one value is that value


def test_a_setting_is_left_out_for_the_cell_that_lacks_it():
    plan = Plan({"cell": ["rnn", "lstm"], "forget_bias": [None, 1.0, 3.0]})
    assert [(e.cell, e.forget_bias) for e in plan.experiments()] == [
        ("rnn", None), ("lstm", None), ("lstm", 1.0), ("lstm", 3.0),
    ]  # fmt: skip
    assert plan.left_out == ("Forget bias 1 for the RNN", "Forget bias 3 for the RNN")


def test_settings_that_exclude_each_other_are_left_out_of_a_grid():
    plan = Plan({"init": ["default", "chrono"], "forget_bias": [None, 1.0]})
    assert [(e.init, e.forget_bias) for e in plan.experiments()] == [
        ("default", None), ("default", 1.0), ("chrono", None),
    ]  # fmt: skip
    assert plan.left_out == ("forget_bias=1.0: init=chrono sets this bias itself",)


@pytest.mark.parametrize(
    ("settings", "about", "problem"),
    [
        ({"hidden_sise": 3}, {}, "'hidden_sise': expected one of cell, task"),
        ({"length": []}, {}, "length=[]: expected at least one value"),
        ({"length": [10, 1.5]}, {}, "length=1.5: expected a whole number from 2"),
        ({"length": [10, [20]]}, {}, r"length=[20]: expected a whole number"),
        ({"length": [10, 10]}, {}, "length=[10, 10]: expected each value once"),
        ({"cell": ["gru", "GRU"]}, {}, "cell='GRU': expected one of rnn, lstm, gru"),
        ({"learning_rate": np.nan}, {}, "learning_rate=nan: expected a number from"),
        ({"cell": "rnn", "forget_bias": 1}, {}, "forget_bias=1: applies to cell lstm, gru, not rnn"),
        ({"task": "adding", "symbols": [4, 8]}, {}, "symbols=4: applies to task recall, copy, not adding"),
        ({"init": "chrono", "forget_bias": 1}, {}, "forget_bias=1.0: init=chrono sets this bias itself"),
        ({"seeds": [1, 2], "layers": [1, 2], "gain": [1, 2]}, {}, "gain: expected at most 2 lists besides cell and"),
        ({"seed": [*range(MOST_ROWS + 1)]}, {}, "1,001 settings: expected at most 1,000"),
        ({}, {"equal": "size"}, "equal='size': expected one of hidden_size, parameters, time"),
        ({}, {"learning_rates": [0.1]}, "learning_rates=[0.1]: expected two or more different ones"),
        ({}, {"learning_rates": [0.1, 0.1]}, "learning_rates=[0.1, 0.1]: expected two or more different ones"),
        ({}, {"learning_rates": [0.1, 2]}, "learning_rate=2: expected a number from 1e-06 to 1"),
        ({}, {"learning_rates": 0.1}, "learning_rates=0.1: expected a list of numbers"),
        ({"learning_rate": [0.1, 0.2]}, {"learning_rates": [0.1, 0.2]}, "learning_rates: expected none where"),
        ({}, {"ms_per_step": [1.0, 0.0]}, "ms_per_step=[1.0, 0.0]: expected a list of positive numbers"),
        ({}, {"ms_per_step": [1.0, 2.0]}, "2 ms_per_step: expected 1, one for each setting"),
    ],
)
def test_a_plan_that_cannot_be_carried_out_says_what_is_accepted(settings, about, problem):
    with pytest.raises(ValueError, match=re.escape(problem)):
        Plan(settings, **about)


def test_sequences_of_a_file_have_its_length_where_none_is_set(tmp_path):
    path = tmp_path / "mine.npz"
    path.write_bytes(sequences())
    plan = Plan({"task": "series", "data_file": str(path)})
    assert [experiment.length for experiment in plan.experiments()] == [6]
