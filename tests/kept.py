"""Small trainings, and how they come into a history, for tests of what is kept."""

from functools import cache

import pytest

from analysis import Experiment, train
from analysis.codec import encode
from analysis.database import Database
from analysis.records import finished
from analysis.training import resume

SMALL = Experiment(hidden_size=3, length=6, seeds=2, batch_size=4, steps=20)
EXPERIMENTS = {
    "lstm": SMALL,
    "gru": SMALL.replace(cell="gru", layers=2, activation="relu"),
    "adding": SMALL.replace(task="adding", cell="rnn", optimizer="sgd"),
    "copy": SMALL.replace(task="copy", optimizer="rmsprop"),
    "diverged": SMALL.replace(
        cell="rnn", activation="identity", gain=3, length=60, optimizer="sgd", learning_rate=1, clip=0
    ),
}


class StopError(Exception):
    pass


@cache
def trained(name):
    return train(EXPERIMENTS[name])


def keep(store, run, owner=None):
    """Write a finished run as a worker would report it."""
    id = store.add(run.experiment, owner)
    for snapshot in run.snapshots:
        store.write(id, {"status": "running", "step": snapshot.step}, ("snapshot", snapshot.step, encode(snapshot)))
    store.write(id, *finished(run))
    return id


def stopped(experiment, at):
    """Train until a step; return the checkpoint there and the snapshots so far."""
    checkpoints, snapshots = [], []

    def stop(trainer):
        if trainer.step == at:
            checkpoints.append(trainer.checkpoint())
            raise StopError

    with pytest.raises(StopError):
        resume(experiment, on_snapshot=snapshots.append, on_step=stop)
    return checkpoints[0], snapshots


def limit(monkeypatch, pages=0):
    """Let histories in files grow no more, or no further than some pages."""
    connect = Database._connect

    def full(self):
        connection = connect(self)
        (there,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {max(there, pages)}")
        return connection

    monkeypatch.setattr(Database, "_connect", full)
