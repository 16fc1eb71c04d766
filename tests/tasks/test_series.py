"""Series: sequences and forecasts of someone's own data, what guessing and repeating get, and a whole training."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from analysis import train
from analysis.experiment import Experiment
from analysis.history.serialization import decode, encode
from analysis.history.transfer import pack, read_key, run_key, unpack
from analysis.history.validation import check_parts
from analysis.report.documents import run_document
from analysis.report.sentences.training import compare_cells, training_sentence
from analysis.results import Run
from analysis.sources import with_own_length
from analysis.tasks.registry import build_task
from analysis.tasks.task import seeded
from tests.helpers.data import X, numbers, sequences, table, waves
from tests.helpers.runs import keep

SMALL = Experiment(task="series", hidden_size=4, seeds=2, batch_size=4, steps=20, data_file="x")


@pytest.fixture
def written(tmp_path):
    """Write a file, and return the experiment on it."""

    def write(content, name, **settings):
        path = tmp_path / name
        path.write_bytes(content)
        return with_own_length(SMALL.replace(data_file=str(path), **settings))

    return write


def test_a_forecast_reads_the_rows_before_and_never_one_that_is_held_out(written):
    rows = [(k,) for k in range(100)]
    task = build_task(written(table(rows), "x.csv", length=7))
    mean, spread = np.arange(80).mean(), np.arange(80).std()
    drawn = (task.draw(5000, seeded(0)).targets * spread + mean).round().int()
    assert set(drawn.tolist()) == set(range(7, 80))
    for batch in (task.draw(50, seeded(1)), task.measuring(), task.evaluation()):
        steps = (batch.inputs[..., 0] * spread + mean).round()  # (T, B)
        wanted = (batch.targets * spread + mean).round()
        assert torch.equal(steps, wanted - 7 + torch.arange(7.0).unsqueeze(-1))
    assert task.evaluation().inputs.shape == (7, 20, 1) and task.measuring().inputs.shape == (7, 20, 1)
    held_out = (task.evaluation().targets * spread + mean).round()
    assert held_out.tolist() == list(range(80, 100))


@pytest.mark.parametrize("columns", ["wave", "year,wave"])
def test_chance_and_repeating_are_those_of_numpy(written, columns):
    rows = np.array(waves(200))[:, -len(columns.split(",")) :]
    rows = (rows - rows[:160].mean(0)) / rows[:160].std(0)
    task = build_task(written(table(waves(200), "year,wave"), "x.csv", columns=columns))
    assert task.chance == pytest.approx((rows[160:] ** 2).mean(), rel=1e-5)
    assert task.repeating == pytest.approx(((rows[160:] - rows[159:-1]) ** 2).mean(), rel=1e-4)
    assert task.metric_name == "mse" and task.solved is None and task.inputs == task.outputs == rows.shape[1]


def test_several_numbers_are_scored_by_their_mean_square(written):
    task = build_task(written(sequences(y=numbers(60, 3)), "x.npz"))
    batch = task.evaluation()
    assert batch.targets.shape == (3, 12) and not batch.every_step
    answers = torch.randn(2, 12, 3, generator=seeded(0))
    expected = (answers - batch.targets.T).square().mean(-1)
    torch.testing.assert_close(task.loss(answers, batch.targets), expected)
    torch.testing.assert_close(task.score(answers, batch.targets.expand(2, 3, 12)), expected)


def test_chance_on_classes_is_the_most_frequent_one_of_the_training_part(written):
    y = np.array([7] * 30 + [-2] * 18 + [7] * 3 + [-2] * 9)
    task = build_task(written(sequences(y=np.random.default_rng(0).permutation(y)), "x.npz"))
    most = task.draw(999, seeded(0)).targets.double().mean().round()
    assert task.chance == pytest.approx((task.evaluation().targets == most).double().mean().item())
    assert task.metric_name == "accuracy" and task.outputs == 2


def test_a_shorter_length_reads_the_last_steps(written):
    experiment = written(sequences(), "x.npz")
    assert experiment.length == 6
    whole, short = build_task(experiment).measuring(), build_task(experiment.replace(length=2)).measuring()
    assert torch.equal(whole.inputs[-2:], short.inputs)


def test_an_own_length_is_taken_of_an_npz_that_can_be_read_alone(written):
    assert written(table(waves()), "x.csv").length is None
    assert written(b"PK", "x.npz").length is None
    assert written(sequences(x=X[:, :1]), "x.npz").length is None  # one step: building the task says so
    assert written(sequences(), "x.NPZ", length=3).length == 3


KINDS = {
    "classes": (sequences(), "x.npz", "accuracy"),
    "numbers": (sequences(y=X[:, 0, 0]), "x.npz", "mse"),
    "several numbers": (sequences(y=X[:, 0]), "x.npz", "mse"),
    "forecast": (table(waves(), "year,wave"), "x.csv", "mse"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_training_on_each_kind_of_data_is_kept_and_moved(written, kind, store):
    content, name, metric_name = KINDS[kind]
    experiment = written(content, name, cell="gru", length=6)
    run = train(experiment)
    assert run.metric_name == run.memory.metric_name == metric_name and np.isfinite(run.metric).all()
    assert run.after.distance.size == 6 and np.isfinite(run.after.horizon) and run.memory.distance.size == 6
    assert (run.memory.repeating is not None) == (kind == "forecast")
    assert run_key(experiment, run.data_sha256) == read_key(experiment)
    check_parts(run, experiment)
    assert decode(Run, encode(run)) == run
    id = keep(store, run)
    record = store.record(id)
    columns, _ = unpack(pack(record))
    assert name in columns["experiment"] and "/" not in columns["experiment"]
    document = run_document(run)
    assert document["data_sha256"] == run.data_sha256 and document["memory"]["repeating"] == run.memory.repeating


def test_the_same_path_with_other_data_is_another_run(written, store):
    first = keep(store, train(written(table(waves()), "x.csv", length=6)))
    same = written(table(waves()), "again.csv", length=6)
    assert store.find(same).id == first
    assert store.find(written(table(waves(81)), "x.csv", length=6)) is None
    assert store.find(same.replace(columns="2")) is None


def test_a_model_that_does_not_beat_repeating_is_said_not_to(written):
    run = train(written(table(waves(), "year,wave"), "x.csv", columns="wave", length=6, steps=1))
    better = replace(run, metric=np.full(2, run.memory.repeating * 0.9), chance=10.0)
    worse = replace(better, metric=np.full(2, run.memory.repeating * 1.1))
    clause = ", beaten by repeating:"
    assert clause in training_sentence("lstm", worse) and clause not in training_sentence("lstm", better)
    assert "None beats repeating the last value." in compare_cells({"lstm": worse, "gru": worse})
    assert "None beats" not in compare_cells({"lstm": worse, "gru": better})
