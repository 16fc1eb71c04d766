"""A training that stopped goes on as if it never had."""

import pytest

from analysis import train
from analysis.history.serialization import decode, encode
from analysis.training.trainer import Checkpoint, resume
from tests.helpers.runs import EXPERIMENTS, SMALL, StopError, stopped, trained


@pytest.mark.parametrize("name", [name for name in EXPERIMENTS if name != "diverged"])
@pytest.mark.parametrize("at", [1, 10, 13, 20])
def test_a_resumed_training_equals_the_unbroken_one(name, at):
    checkpoint, snapshots = stopped(EXPERIMENTS[name], at)
    restored = decode(Checkpoint, encode(checkpoint))
    assert restored == checkpoint
    assert resume(EXPERIMENTS[name], restored, snapshots) == trained(name)


def test_a_training_where_one_model_diverged_is_resumed_exactly():
    experiment = EXPERIMENTS["diverged"].replace(gain=1.0, length=20, seeds=6, learning_rate=0.25, steps=40)
    whole = train(experiment)
    (at, *_) = [failure.step for failure in whole.diverged]
    assert len(whole.diverged) < experiment.seeds
    checkpoint, snapshots = stopped(experiment, at + 2)
    assert checkpoint.diverged
    assert resume(experiment, decode(Checkpoint, encode(checkpoint)), snapshots) == whole


def test_snapshots_later_than_the_checkpoint_are_taken_again(run):
    checkpoint, _ = stopped(SMALL, 5)
    assert resume(SMALL, checkpoint, run.snapshots) == run


def test_a_stop_between_the_final_measurements_can_be_resumed(run):
    calls, snapshots = [], []

    def stop(trainer):
        calls.append(trainer.checkpoint())
        if len(calls) == SMALL.steps + 2:
            raise StopError

    with pytest.raises(StopError):
        resume(SMALL, on_snapshot=snapshots.append, on_step=stop)
    assert resume(SMALL, calls[-1], snapshots) == run


def test_a_checkpoint_of_another_experiment_is_refused():
    checkpoint, _ = stopped(SMALL, 3)
    with pytest.raises(ValueError, match="expected one of"):
        resume(SMALL.replace(hidden_size=5), checkpoint)
