from dataclasses import replace

import numpy as np

from analysis import Experiment, train
from analysis.report.sentences.gates import saturation_sentence


def test_the_sentence_says_what_was_measured():
    run = train(Experiment(cell="gru", length=6, hidden_size=4, seeds=2, steps=2))
    none = np.zeros((2, 1, 4))
    saturation = {name: replace(gate, left=none, right=none) for name, gate in run.measured_after.saturation.items()}
    assert saturation_sentence("GRU", saturation) == (
        "GRU: all gates stand in between, none is open or shut for long; none is stuck."
    )
    half = np.broadcast_to([1.0, 1.0, 0.0, 0.0], (2, 1, 4))
    saturation["update"] = replace(saturation["update"], right=half)
    assert saturation_sentence("GRU", saturation, run.measured_before.saturation) == (
        "GRU: the update gate is open 50 % of the time, untrained 0 %; 4 of 8 update gates are stuck."
    )
