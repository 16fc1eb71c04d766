import numpy as np
import pytest

from analysis import Experiment, train
from analysis.lesson.reading import read_with_model

EXPERIMENT = Experiment(task="words", cell="gru", seeds=2, hidden_size=3, length=3, steps=2, batch_size=2)
WORDS = ["the", "list"]


def test_a_runs_weights_read_otherwise_than_initial_ones():
    run = train(EXPERIMENT)
    untrained, trained = read_with_model(EXPERIMENT, WORDS), read_with_model(EXPERIMENT, WORDS, run.weights)
    assert untrained.words == trained.words == tuple(WORDS)
    assert not np.array_equal(untrained.parts["hidden"], trained.parts["hidden"])
    assert np.array_equal(trained.parts["hidden"], read_with_model(EXPERIMENT, WORDS, run.weights).parts["hidden"])


def test_weights_of_another_task_are_refused():
    with pytest.raises(ValueError, match="embedding"):
        read_with_model(EXPERIMENT, WORDS, {"weight_ih_l0": np.zeros((1, 9, 3))})
