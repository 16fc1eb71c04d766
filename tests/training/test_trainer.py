"""Training is repeatable, equals a plain torch loop, and each model trains as if alone."""

import random
from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

import analysis.engine.cost
import analysis.training.trainer
from analysis import Experiment, train
from analysis.engine.initialization import initial_weights
from analysis.tasks.registry import build_task
from analysis.tasks.task import Batch
from tests.helpers.modules import CELLS, MODULES
from tests.helpers.trainings import tiny

OPTIMIZERS = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD, "rmsprop": torch.optim.RMSprop}
PAIRS = [*product(CELLS, ["adam"]), ("gru", "sgd"), ("lstm", "rmsprop")]
TASKS = ("recall", "adding", "order", "copy", "text")
SNAPSHOTS = [  # steps, snapshot_every, the steps they are taken at
    (6, 2, [0, 2, 4, 6]),
    (7, 3, [0, 3, 6, 7]),
    (5, 100, [0, 5]),
    (3, 1, [0, 1, 2, 3]),
    (1, 10, [0, 1]),
]


def plain(experiment, s):
    """The weights that torch's own modules, optimizer and clipping give for model s."""
    task = build_task(experiment)
    _, generators = initial_weights(experiment, task.inputs, task.outputs)
    with torch.random.fork_rng():
        torch.manual_seed(experiment.seed + s)
        module = MODULES[experiment.cell](task.inputs, experiment.hidden_size, experiment.layers)
        head = nn.Linear(experiment.hidden_size, task.outputs)
    parameters = [*module.parameters(), *head.parameters()]
    optimizer = OPTIMIZERS[experiment.optimizer](parameters, lr=experiment.learning_rate)
    clipped = 0
    for _ in range(experiment.steps):
        batch = task.draw(experiment.batch_size, generators[s])
        outputs, state = [], None
        for window in batch.inputs.split(experiment.truncate or len(batch.inputs)):
            output, state = module(window, state)
            outputs.append(output)
            state = tuple(part.detach() for part in state) if isinstance(state, tuple) else state.detach()
        output = torch.cat(outputs)
        if task.every_step:
            answers, targets = head(output).flatten(0, 1), batch.targets.flatten()
        else:
            answers, targets = head(output[-1]), batch.targets
        if task.squared:
            loss = nn.functional.mse_loss(answers.squeeze(-1), targets)
        else:
            loss = nn.functional.cross_entropy(answers, targets)
        optimizer.zero_grad()
        loss.backward()
        if experiment.clip:
            clipped += nn.utils.clip_grad_norm_(parameters, experiment.clip).item() >= experiment.clip
        optimizer.step()
    weights = {**module.state_dict(), "readout.weight": head.weight, "readout.bias": head.bias}
    return {name: weight.detach().numpy() for name, weight in weights.items()}, clipped / experiment.steps


@pytest.mark.parametrize(("cell", "optimizer"), PAIRS)
def test_the_same_experiment_twice_is_the_same_run(cell, optimizer):
    experiment = tiny(cell=cell, optimizer=optimizer)
    first, second = train(experiment), train(experiment)
    assert first == second
    assert first != train(experiment.replace(seed=1, steps=1))
    for name, weight in first.weights.items():
        np.testing.assert_array_equal(weight, second.weights[name])


@pytest.mark.parametrize(("cell", "optimizer"), PAIRS)
def test_a_model_of_an_ensemble_is_the_same_alone(cell, optimizer):
    together = train(tiny(cell=cell, optimizer=optimizer, seed=7, hidden_size=8, batch_size=8, layers=2))
    for s in range(3):
        alone = train(tiny(cell=cell, optimizer=optimizer, seed=7 + s, seeds=1, hidden_size=8, batch_size=8, layers=2))
        for name, weight in alone.weights.items():
            np.testing.assert_allclose(together.weights[name][s], weight[0], rtol=0, atol=1e-6, err_msg=name)
        assert together.loss[s] == pytest.approx(alone.loss[0], rel=1e-5)
        assert together.metric[s] == alone.metric[0]
        for when in ("before", "after"):
            found, wanted = getattr(together, when), getattr(alone, when)
            np.testing.assert_allclose(found.relatives[s], wanted.relative, rtol=1e-4)
            assert found.rates[s] == pytest.approx(wanted.rate, rel=1e-4)
            assert found.horizons[s] == wanted.horizon
        np.testing.assert_array_equal(together.memory.values[s], alone.memory.value)


@pytest.mark.parametrize("cell", CELLS)
def test_at_even_sizes_a_model_of_an_ensemble_is_the_same_to_the_bit(cell):
    """Sizes as the defaults are: a multiple of 16 or 32."""
    settings = {"cell": cell, "hidden_size": 32, "batch_size": 32, "symbols": 8, "steps": 12}
    together = train(tiny(seeds=3, seed=2, **settings))
    alone = train(tiny(seeds=1, seed=4, **settings))
    for name, weight in alone.weights.items():
        np.testing.assert_array_equal(together.weights[name][2], weight[0], err_msg=name)
    assert (together.loss[2], together.metric[2]) == (alone.loss[0], alone.metric[0])
    for found, wanted in zip(together.snapshots, alone.snapshots, strict=True):
        assert (found.loss[2], found.metric[2], found.clipped[2]) == (
            wanted.loss[0],
            wanted.metric[0],
            wanted.clipped[0],
        )
        np.testing.assert_array_equal(found.decay.relatives[2], wanted.decay.relative)
    np.testing.assert_array_equal(together.after.relatives[2], alone.after.relative)


@pytest.mark.parametrize(
    ("cell", "optimizer", "clip"), [(*pair, 1.0) for pair in PAIRS] + list(product(CELLS, ["adam"], [0, 0.05]))
)
def test_training_is_that_of_a_plain_torch_loop(cell, optimizer, clip):
    experiment = tiny(
        cell=cell, optimizer=optimizer, clip=clip, steps=5, snapshot_every=5, layers=2, learning_rate=0.01
    )
    run = train(experiment)
    for s in range(3):
        wanted, clipped = plain(experiment, s)
        for name, weight in wanted.items():
            np.testing.assert_allclose(run.weights[name][s], weight, atol=5e-4, err_msg=name)
        assert run.snapshots[-1].clipped[s] == pytest.approx(clipped)


@pytest.mark.parametrize("task", TASKS)
def test_every_task_trains_as_a_plain_torch_loop(task):
    experiment = tiny(task=task, steps=5, snapshot_every=5, seeds=2, length=20)
    run = train(experiment)
    for s in range(2):
        wanted, _ = plain(experiment, s)
        for name, weight in wanted.items():
            np.testing.assert_allclose(run.weights[name][s], weight, atol=5e-4, err_msg=name)
    assert run.metric_name == build_task(experiment).metric_name
    assert np.isfinite([run.loss, run.metric]).all()


@pytest.mark.parametrize(("cell", "task"), [*product(CELLS, ["copy", "recall"])])
@pytest.mark.parametrize("truncate", [1, 6, 7])
def test_truncated_training_detaches_the_state_between_windows(cell, task, truncate):
    length = 22 - 20 * (task == "copy")  # copy adds twenty steps
    experiment = tiny(
        cell=cell,
        task=task,
        steps=4,
        snapshot_every=4,
        seeds=2,
        length=length,
        layers=2,
        truncate=truncate,
        optimizer="sgd",
        learning_rate=0.5,
        clip=0,
    )
    run = train(experiment)
    for s in range(2):
        wanted, _ = plain(experiment, s)
        for name, weight in wanted.items():
            np.testing.assert_allclose(run.weights[name][s], weight, atol=2e-6, err_msg=name)
    left = (22 - 1) % truncate + 1
    assert run.after.cut == left
    assert (run.after.relative[:left] > 0).all() and not run.after.high[left:].any()


def test_clipping_is_each_models_own():
    """A bound between the models' gradients: those above are clipped, those below move as without it."""
    free = tiny(optimizer="sgd", clip=0, steps=1, seeds=8)
    start = train(free.replace(learning_rate=1e-6)).weights
    moved = train(free.replace(learning_rate=0.1)).weights
    sizes = sum(((moved[n] - start[n]) ** 2).reshape(8, -1).sum(1) for n in start) ** 0.5 / 0.1
    bound = float(np.median(sizes))
    run = train(free.replace(learning_rate=0.1, clip=bound))
    above = sizes > bound
    assert 0 < above.sum() < 8
    np.testing.assert_array_equal(run.snapshots[-1].clipped, above)
    for name, weight in run.weights.items():
        np.testing.assert_array_equal(weight[~above], moved[name][~above])
    clipped = sum(((run.weights[n] - start[n]) ** 2).reshape(8, -1).sum(1) for n in start) ** 0.5 / 0.1
    np.testing.assert_allclose(clipped[above], bound, rtol=1e-3)


@pytest.mark.parametrize(("steps", "every", "taken"), SNAPSHOTS)
def test_snapshots_at_the_start_every_n_and_the_end(steps, every, taken):
    seen = []
    run = train(tiny(steps=steps, snapshot_every=every), seen.append)
    assert [snapshot.step for snapshot in run.snapshots] == taken
    assert tuple(seen) == run.snapshots
    for snapshot in run.snapshots:
        assert snapshot.loss.shape == snapshot.metric.shape == snapshot.clipped.shape == (3,)
        assert np.isfinite(snapshot.loss).all()
        assert len(snapshot.decay.distance) == 6
    assert (run.snapshots[0].clipped == 0).all()
    assert run.snapshots[0].decay == run.before
    assert run.snapshots[-1].decay == run.after


def test_a_snapshot_is_the_mean_since_the_one_before():
    each, all_ = (train(tiny(steps=6, snapshot_every=n)).snapshots for n in (1, 6))
    for name in ("loss", "metric", "clipped"):
        wanted = np.mean([getattr(snapshot, name) for snapshot in each[1:]], axis=0)
        np.testing.assert_allclose(getattr(all_[1], name), wanted, rtol=1e-6)


def test_a_run_carries_what_it_came_from():
    experiment = tiny(cell="lstm")
    run = train(experiment)
    assert run.experiment is experiment
    assert (run.status, run.metric_name, run.chance, run.solved) == ("finished", "accuracy", 1 / 3, 0.95)
    assert {"python", "numpy", "torch"} <= run.versions.keys()
    assert run.diverged == ()
    assert run.before == run.measured_before.decays["memory"]
    assert run.after == run.measured_after.decays["memory"]
    assert run.carry == run.measured_after.decays["carry"]
    assert run.memory.values.shape == (3, 5)
    assert {"seconds", "ms_per_step", "parameters", "multiply_adds"} <= run.timing.keys()
    parameters = sum(weight[0].size for weight in run.weights.values())
    assert run.timing["parameters"] == parameters
    assert train(experiment.replace(cell="rnn")).carry is None


@pytest.mark.parametrize(("cell", "layers", "H", "D"), list(product(CELLS, (1, 3), (4, 9), (5, 7))))
def test_cost_is_what_torch_counts(cell, layers, H, D):
    experiment = tiny(cell=cell, layers=layers, hidden_size=H, symbols=D - 2)
    found = analysis.engine.cost.count_cost(experiment, build_task(experiment))
    module, head = MODULES[cell](D, H, layers), nn.Linear(H, D - 2)
    assert found["parameters"] == sum(p.numel() for net in (module, head) for p in net.parameters())
    products = sum(p.numel() for name, p in module.named_parameters() if name.startswith("weight"))
    assert found["multiply_adds"] == products + (0 if cell == "rnn" else 3) * layers * H


def test_weights_blown_up_by_a_huge_step_end_their_model_alone(monkeypatch):
    """One optimizer step too far: that model's weights become infinite, its next loss isn't finite."""
    draw = analysis.training.trainer.Trainer.advance

    def advance(self):
        found = draw(self)
        if self.step == 2:
            self.flat[0] = 3e38
        return found

    experiment = tiny(cell="rnn", activation="relu", steps=6)
    healthy = train(experiment)
    monkeypatch.setattr(analysis.training.trainer.Trainer, "advance", advance)
    run = train(experiment)
    assert [(failure.model, failure.step) for failure in run.diverged] == [(0, 2)]
    np.testing.assert_array_equal(run.metric[1:], healthy.metric[1:])
    assert run.after.excluded == 1 or np.isfinite(run.after.norm).all()
    np.testing.assert_array_equal(run.after.relatives[1:], healthy.after.relatives[1:])


def test_the_world_stays_as_it_was():
    torch.manual_seed(5)
    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    threads, grad = torch.get_num_threads(), torch.is_grad_enabled()
    train(tiny())
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1].tolist(), random.getstate()) == before[1:]
    assert (torch.get_num_threads(), torch.is_grad_enabled()) == (threads, grad)


def test_a_run_doesnt_depend_on_the_world():
    first = train(tiny())
    torch.manual_seed(99)
    np.random.default_rng(1)
    random.seed(3)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert train(tiny()) == first
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


def test_evaluation_isnt_seen_in_training():
    experiment = tiny()
    task = build_task(experiment)
    assert torch.equal(task.evaluation().inputs, build_task(tiny(seed=9)).evaluation().inputs)
    _, generators = initial_weights(experiment, task.inputs, task.outputs)
    drawn = task.draw(1024, generators[0])
    assert isinstance(drawn, Batch)
    assert not torch.equal(drawn.inputs, task.evaluation().inputs)


@pytest.mark.parametrize("training", [True, False])
def test_what_doesnt_fit_is_refused_beforehand_in_mib(training, monkeypatch):
    experiment = tiny()
    needed = analysis.engine.cost.needed_bytes(experiment, build_task(experiment), training=training)
    monkeypatch.setattr(analysis.engine.cost, "memory_bytes", lambda: needed - 1)
    with pytest.raises(ValueError, match=r"needs about [\d,]+ MiB, this machine has [\d,]+ MiB"):
        analysis.engine.cost.require_memory(experiment, build_task(experiment), training=training)
    monkeypatch.setattr(analysis.engine.cost, "memory_bytes", lambda: needed)
    analysis.engine.cost.require_memory(experiment, build_task(experiment), training=training)


def test_training_asks_before_it_starts(monkeypatch):
    monkeypatch.setattr(analysis.engine.cost, "memory_bytes", lambda: 1000)
    monkeypatch.setattr(analysis.training.trainer, "Trainer", None)
    with pytest.raises(ValueError, match="MiB"):
        train(tiny())


def test_large_weights_count_as_much_as_long_sequences():
    """64 LSTMs of 4 layers of 512: 537 million weights, kept by engine and optimizer, and in float64 to measure."""
    experiment = tiny(cell="lstm", hidden_size=512, layers=4, seeds=64, length=2, batch_size=1)
    weights = 64 * 4 * (4 * 512 * (512 + 512 + 2)) * 4
    assert analysis.engine.cost.needed_bytes(experiment, build_task(experiment), training=True) > 8 * weights
    assert analysis.engine.cost.needed_bytes(experiment, build_task(experiment), training=False) > 5 * weights


def test_long_evaluation_sequences_count():
    experiment = tiny(length=100_000, seeds=1, batch_size=1, hidden_size=1)
    inputs = 4 * 1024 * 100_000 * 5
    assert analysis.engine.cost.needed_bytes(experiment, build_task(experiment), training=True) > inputs
    assert analysis.engine.cost.needed_bytes(experiment, build_task(experiment), training=False) < inputs


@pytest.mark.parametrize("cell", ["gru"])
def test_it_learns(cell):
    """Recall over ten steps is solved after two hundred."""
    run = train(Experiment(cell=cell, length=10, steps=200, seeds=2, snapshot_every=100, learning_rate=0.01))
    assert (run.metric >= 0.9).all()
    assert (run.snapshots[-1].loss < run.snapshots[0].loss / 2).all()
    assert run.memory.span >= 8
