"""Runs that were stored before memories had marks: what is read of them now."""

from dataclasses import replace

import numpy as np
import pytest

from analysis import train
from analysis.span import marked
from tests.helpers.runs import EXPERIMENTS, SMALL, keep, trained

LEARNED = SMALL.replace(cell="gru", hidden_size=16, length=12, forget_bias=2.0, learning_rate=0.02, steps=150)


def as_stored_before(run):
    """Return a run without marks and with the span of then, which ended before the first distance that failed."""
    return replace(run, memory=replace(run.memory, trained=None, span=0.0, spans=np.zeros(run.experiment.seeds)))


@pytest.mark.parametrize("position", ["anywhere", "first"])
def test_an_old_run_of_recall_gets_the_marks_and_the_span_of_now(store, position):
    run = train(LEARNED.replace(position=position))
    assert run.memory.span > 3
    id = keep(store, as_stored_before(run))
    assert store.load(id) == run
    assert store.load(id).memory.trained.sum() == (11 if position == "anywhere" else 1)
    assert store.import_(store.export(id)) == id


def test_an_old_run_of_another_task_keeps_its_span(store):
    old = as_stored_before(trained("adding"))
    found = store.load(keep(store, old)).memory
    assert found == replace(old.memory, trained=found.trained)
    assert found.trained.tolist() == [False] * 5 + [True]


def test_an_old_run_whose_models_all_diverged_has_no_span():
    run = trained("diverged")
    assert np.isnan(marked(as_stored_before(run)).memory.span)
    assert marked(as_stored_before(run)) == run


def test_a_run_with_marks_stays_as_it_is(run):
    assert marked(run) is run


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_new_runs_have_marks(name):
    memory = trained(name).memory
    assert memory.trained.dtype == bool and memory.trained.shape == memory.distance.shape and memory.trained[-1]
