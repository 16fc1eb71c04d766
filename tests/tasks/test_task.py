"""What every task promises: shapes, seeds, loss and score as torch computes them, chance."""

import pickle
from math import isclose, log

import pytest
import torch

from analysis import experiment
from analysis.experiment import TASKS
from analysis.tasks.task import EVALUATION_SEED, HELD_OUT_SEED, MEASURING_SEED, one_hot, seeded
from tests.helpers.tasks import build

ACCURATE = {"recall", "order", "digits"}


@pytest.mark.parametrize(
    ("name", "settings", "chance"),
    [
        ("recall", {"symbols": 5}, 1 / 5),
        ("adding", {}, 1 / 6),
        ("order", {}, 1 / 4),
        ("copy", {"symbols": 8}, 10 * log(8) / 70),
        ("text", {}, None),
        ("words", {}, None),
        ("digits", {}, 0.1),
        ("series", {}, None),
    ],
)
def test_chance_by_simulation(name, settings, chance):
    task = build(name, **settings)
    batch = task.draw(20_000, seeded(5)) if chance else task.evaluation()
    outputs = torch.zeros(*batch.targets.shape, task.outputs)
    if name == "series":
        outputs += 0.0  # the training part's mean
    elif name == "adding":
        outputs += 1.0
    elif name == "copy":  # knows when, not what
        outputs[:-10, :, 0] = outputs[-10:, :, 1:] = 100.0
    elif chance is None:
        training = task.draw.keywords["codes"]
        outputs += (torch.bincount(training, minlength=task.outputs) + 1).log()
    score = task.score(outputs, batch.targets)
    assert chance is None or isclose(task.chance, chance)
    assert score.mean().item() == pytest.approx(
        task.chance, rel=0.1 if experiment.higher_is_better(task.metric_name) else 0.02
    )


@pytest.mark.parametrize("name", TASKS)
def test_shapes_and_types(name):
    task = build(name)
    for batch, count in [
        (task.draw(3, seeded(0)), 3),
        (task.evaluation(), 599 if name == "digits" else 1024),
        (task.measuring(), 64),
    ]:
        words = task.vocabulary is not None
        assert batch.inputs.shape == (task.length, count) + (() if words else (task.inputs,))
        assert batch.targets.shape == ((task.length, count) if task.every_step else (count,))
        assert batch.inputs.dtype == (torch.int64 if words else torch.float32)
        assert batch.targets.dtype == (torch.float32 if task.squared else torch.int64)


@pytest.mark.parametrize("name", TASKS)
def test_same_seed_same_batch_and_torch_global_state_untouched(name):
    task, state = build(name), torch.get_rng_state()
    first, again, other = (task.draw(8, seeded(seed)) for seed in (0, 0, 1))
    assert torch.equal(first.inputs, again.inputs)
    assert torch.equal(first.targets, again.targets)
    assert not torch.equal(first.inputs, other.inputs)
    assert torch.equal(task.measuring().inputs, task.measuring().inputs)
    assert torch.equal(task.evaluation().inputs, task.evaluation().inputs)
    assert not torch.equal(task.measuring().inputs, task.evaluation().inputs[:, :64])
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", TASKS)
def test_task_can_be_sent_to_another_process(name):
    task = build(name)
    sent = pickle.loads(pickle.dumps(task))
    assert torch.equal(sent.measuring().inputs, task.measuring().inputs)


@pytest.mark.parametrize("name", TASKS)
def test_loss_and_score_against_torch_with_models_in_front(name):
    task = build(name)
    targets = task.draw(4, seeded(0)).targets
    outputs = torch.randn(3, *targets.shape, task.outputs, generator=seeded(1), dtype=torch.float64)
    loss, score = task.loss(outputs, targets), task.score(outputs, targets)
    assert loss.shape == score.shape == (3, 4)
    repeated = task.loss(outputs, targets.expand(3, *targets.shape))
    assert torch.equal(loss, repeated)
    for s in range(3):
        if task.squared:
            each = torch.nn.functional.mse_loss(outputs[s, ..., 0], targets.double(), reduction="none")
        else:
            flat = torch.nn.functional.cross_entropy(
                outputs[s].reshape(-1, task.outputs), targets.reshape(-1), reduction="none"
            )
            each = flat.reshape(targets.shape)
        expected = each.mean(0) if task.every_step else each
        torch.testing.assert_close(loss[s], expected, rtol=1e-12, atol=0)
        if name in ACCURATE:
            expected = (outputs[s].argmax(-1) == targets).double()
        torch.testing.assert_close(score[s], expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", TASKS)
def test_right_answers_solve_the_task(name):
    task = build(name)
    targets = task.evaluation().targets
    right = targets.unsqueeze(-1) if task.squared else 100.0 * one_hot(targets, task.outputs)
    metric = task.score(right, targets).mean().item()
    assert metric == (1.0 if experiment.higher_is_better(task.metric_name) else pytest.approx(0.0, abs=1e-6))
    assert task.solved is None or (task.chance < task.solved) == experiment.higher_is_better(task.metric_name)


def test_seeds_of_evaluation_cannot_be_an_experiments():
    seeds = {EVALUATION_SEED, MEASURING_SEED, HELD_OUT_SEED}
    assert len(seeds) == 3
    assert all(2**31 + 64 <= seed < 2**32 for seed in seeds)  # the generator reads 32 bits
