import numpy as np
import pytest

from analysis import Experiment, train
from analysis.measures.gate_reading import SEQUENCES, read_gates

EXPERIMENT = Experiment(cell="gru", length=6, hidden_size=4, seeds=2, steps=2, batch_size=4)


def test_one_sequence_is_read_by_the_first_model():
    sample, moments = read_gates(EXPERIMENT, 1)
    assert sample.gates["update"].shape == (6, 4)
    assert moments.moments == ("before", "at the symbol", "after", "at the cue")
    assert moments.units["update"].shape == (4, 1, 4)
    other, _ = read_gates(EXPERIMENT, SEQUENCES)
    assert not np.array_equal(sample.gates["update"], other.gates["update"])
    beyond, _ = read_gates(EXPERIMENT, SEQUENCES + 5)
    assert np.array_equal(beyond.gates["update"], other.gates["update"])


@pytest.mark.parametrize(("position", "step"), [("anywhere", 2), ("first", 0)])
def test_the_symbol_stands_where_the_training_had_it(position, step):
    sample, moments = read_gates(EXPERIMENT.replace(position=position), 1)
    assert sample.reads["symbol"].tolist() == [step]
    assert sample.reads["cue"].tolist() == [5]
    assert np.isnan(moments.mean["update"]).tolist() == [step == 0, False, False, False]  # nothing is before the first


def test_a_runs_weights_are_read_where_they_are_given():
    run = train(EXPERIMENT)
    trained, untrained = read_gates(EXPERIMENT, 1, run.weights)[1], read_gates(EXPERIMENT, 1)[1]
    assert not np.array_equal(trained.mean["update"], untrained.mean["update"])


def test_an_rnn_has_no_gates_to_read():
    with pytest.raises(ValueError, match="only an LSTM or a GRU has gates"):
        read_gates(EXPERIMENT.replace(cell="rnn"), 1)
