"""What is shipped trained is what a training gives."""

import numpy as np

from analysis import train
from analysis.history.entry import Record
from analysis.history.serialization import decode
from analysis.history.shipped import load_shipped
from analysis.training.ship import pack_run, shipped_experiments


def test_the_smallest_word_model_trained_again_has_the_shipped_weights():
    """On other processors sums are rounded otherwise: this one is then the same to 1e-5, a recall RNN is not."""
    shipped = load_shipped("words-english-rnn")
    run = train(shipped_experiments()["words-english-rnn"])
    assert run.weights.keys() == shipped.weights.keys()
    for name, weight in run.weights.items():
        np.testing.assert_allclose(weight, shipped.weights[name], atol=1e-4, rtol=0, err_msg=name)
    packed = decode(Record, pack_run(run)).run
    assert packed is not None and packed.metric == run.metric
