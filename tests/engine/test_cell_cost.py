import pytest

from analysis import Experiment
from analysis.engine.cost import count_cost, is_brief, measure_cell_cost
from analysis.tasks.registry import build_task
from tests.helpers.modules import CELLS


@pytest.mark.parametrize("cell", CELLS)
def test_a_cells_multiply_adds_are_those_of_its_training(cell):
    experiment = Experiment(cell=cell, task="words", length=6, hidden_size=4, seeds=1)
    task = build_task(experiment)
    cost = measure_cell_cost(experiment, task)
    assert cost["multiply_adds"] == count_cost(experiment, task)["multiply_adds"]
    gates = {"rnn": 1, "lstm": 4, "gru": 3}[cell]
    assert cost["parameters"] == gates * 4 * (task.inputs + 4 + 2)
    assert cost["milliseconds"] > 0


def test_a_training_twice_as_long_as_the_defaults_is_brief():
    experiment = Experiment(task="words")
    assert is_brief(experiment) and is_brief(experiment.replace(steps=1000))
    assert not is_brief(experiment.replace(steps=2100))
