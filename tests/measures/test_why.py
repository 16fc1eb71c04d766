"""Why a gradient fades: matrix, update by distance and spectrum of an experiment, against autograd and closed forms."""

import numpy as np
import pytest
import torch

from analysis import Experiment, gradient_decay, jacobian_spectrum
from analysis.engine.initialization import initial_weights
from analysis.engine.unroll import Unroll
from analysis.measures import why
from analysis.measures.meter import Meter
from analysis.measures.spectrum import matrix_of_run
from analysis.sources import with_own_length
from analysis.tasks.registry import build_task
from tests.helpers.data import sequences
from tests.helpers.modules import CELLS, MODULES

SMALL = {"length": 8, "hidden_size": 5, "seeds": 2, "gain": 2.0}
TASKS = ("recall", "adding", "text", "words")


def by_torch(experiment, model):
    """One model's module and readout, and the measuring sequences (T, B, D) and targets."""
    task = build_task(experiment)
    weights, _ = initial_weights(experiment, task.inputs, task.outputs, task.vocabulary)
    own = {name: weight[model].double() for name, weight in weights.items()}
    module = MODULES[experiment.cell](task.inputs, experiment.hidden_size).double()
    module.load_state_dict({name: weight for name, weight in own.items() if name in module.state_dict()})
    batch = task.measuring()
    inputs = own["embedding.weight"][batch.inputs] if task.vocabulary else batch.inputs.double()
    return task, own, module, inputs, batch.targets


def step_with(module, weights, x, h, c):
    """One step of a module, with other weights."""
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    parts = [getattr(weights, name) for name in names]
    if isinstance(module, torch.nn.LSTM):
        return torch.lstm_cell(x, (h, c), *parts)
    step = torch.gru_cell if isinstance(module, torch.nn.GRU) else torch.rnn_tanh_cell
    return step(x, h, *parts), c


def run_by_loop(module, inputs):
    """The memory states (T, B, H), which keep their graph, and the hidden states."""
    B, H = inputs.shape[1], module.hidden_size
    h = c = torch.zeros(B, H, dtype=torch.float64)
    memories, hidden = [], []
    for x in inputs:
        h, c = step_with(module, module, x, h, c)
        memory = c if isinstance(module, torch.nn.LSTM) else h
        memories.append(memory)
        hidden.append(h)
    return memories, hidden


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("task", TASKS)
def test_a_matrix_is_the_gradient_of_the_answer_at_each_time_step(cell, task):
    experiment = Experiment(cell=cell, task=task, **SMALL)
    built, own, module, inputs, targets = by_torch(experiment, 0)
    inputs, targets = inputs[:, : why.SEQUENCES], targets[..., : why.SEQUENCES]
    memories, hidden = run_by_loop(module, inputs)
    found = why.measure_matrix(experiment)
    assert found.first == 0
    for t, state in enumerate(hidden):
        answer = state @ own["readout.weight"].T + own["readout.bias"]
        asked = targets[t] if built.every_step else targets
        given = (answer.unsqueeze(0), asked.unsqueeze(0)) if built.every_step else (answer, asked)
        loss = built.loss(*given)
        grads = torch.autograd.grad(loss.sum(), memories[: t + 1], retain_graph=True)
        norms = np.stack([grad.norm(dim=1).numpy() for grad in grads])
        np.testing.assert_allclose(found.relative[t, : t + 1], np.median(norms / norms[t], axis=1), rtol=1e-8)
    assert (np.triu(found.relative, 1) == 0).all()


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("activation", ["tanh", "relu", "identity"])
@pytest.mark.parametrize("truncate", [None, 3])
def test_the_last_row_is_the_decay_of_that_model(cell, activation, truncate):
    experiment = Experiment(cell=cell, activation=activation, truncate=truncate, **SMALL)
    task = build_task(experiment)
    batch = task.measuring()
    few = type(batch)(batch.inputs[:, : why.SEQUENCES], batch.targets[: why.SEQUENCES])
    weights, _ = initial_weights(experiment.replace(seeds=1), task.inputs, task.outputs)
    decay = gradient_decay(Meter(experiment, task, few).tape(weights))
    np.testing.assert_allclose(why.measure_matrix(experiment).relative[-1, ::-1], decay.relative, rtol=1e-9)


@pytest.mark.parametrize("λ", [0.5, 1.0, 1.2])
def test_diagonals_of_a_linear_orthogonal_network_are_its_decay(λ):
    torch.manual_seed(0)
    T, B, H = 20, 3, 6
    weights = {
        "weight_ih_l0": torch.randn(1, H, 2, dtype=torch.float64),
        "weight_hh_l0": λ * torch.linalg.qr(torch.randn(1, H, H, dtype=torch.float64)).Q,
    }
    unroll = Unroll("rnn", "identity", weights, T, B)
    unroll.start()
    unroll.forward(torch.randn(T, B, 2, dtype=torch.float64))
    grads = torch.randn(T, B, H, dtype=torch.float64)
    left = why.diagonal_means(matrix_of_run(unroll, grads, relative=True))
    unroll.backward(grads[-1].T.unsqueeze(0))
    np.testing.assert_allclose(left, gradient_decay(unroll.tape()).relative, rtol=1e-11)


def test_truncation_cuts_a_matrix_into_windows():
    whole, cut = (why.measure_matrix(Experiment(cell="gru", truncate=k, **SMALL)) for k in (None, 3))
    for t, s in np.ndindex(8, 8):
        assert cut.relative[t, s] == (whole.relative[t, s] if t // 3 == s // 3 else 0)
    assert (cut.left[:3] > 0).all() and (cut.left[3:] == 0).all()


@pytest.mark.parametrize("cell", CELLS)
def test_each_seeds_matrix_and_directions_are_those_of_it_alone(cell):
    experiment = Experiment(cell=cell, **SMALL)
    alone = [why.measure_matrix(experiment.replace(seed=seed, seeds=1)) for seed in (0, 1)]
    for model in (0, 1):
        found = why.measure_matrix(experiment, None, model)
        np.testing.assert_array_equal(found.relative, alone[model].relative)
        np.testing.assert_array_equal(found.lefts, [alone[k].left for k in (model, 1 - model)])
        np.testing.assert_allclose(found.left, np.mean([each.left for each in alone], 0))
        values = why.measure_singular_values(experiment, None, model).values
        wanted = why.measure_singular_values(experiment.replace(seed=model, seeds=1)).values
        np.testing.assert_array_equal(values, wanted)


def test_of_a_large_model_fewer_seeds_are_measured(monkeypatch):
    monkeypatch.setattr(why, "MATRIX_WORK", 10)
    assert why.measure_matrix(Experiment(**SMALL), None, 1).lefts.shape == (1, 8)


@pytest.mark.parametrize("truncate, end", [(3, 2), (7, 1), (8, 8), (None, 8)])
def test_directions_end_where_truncation_cuts(truncate, end):
    whole = why.measure_singular_values(Experiment(cell="lstm", **SMALL))
    cut = why.measure_singular_values(Experiment(cell="lstm", truncate=truncate, **SMALL))
    assert list(cut.distance) == list(range(end)) and cut.cut == (None if end == 8 else end)
    np.testing.assert_allclose(cut.values, whole.values[:end], rtol=1e-12)


def test_a_diagonal_mean_leaves_out_what_is_zero_or_unknown():
    matrix = np.array([[1.0, 0, 0], [0.1, 1, 0], [0, np.nan, 1]])
    np.testing.assert_allclose(why.diagonal_means(matrix), [1, 0.1, 0])
    assert np.isnan(why.diagonal_means(np.array([[1.0, 0], [np.nan, 1]]))[1])


def test_a_long_sequence_is_measured_at_its_end(monkeypatch):
    experiment = Experiment(cell="lstm", **SMALL)
    whole = why.measure_matrix(experiment)
    monkeypatch.setattr(why, "ROWS", 5)
    monkeypatch.setattr(why, "SHORTEST", 2)
    end = why.measure_matrix(experiment)
    assert end.first == 3 and list(end.positions) == [3, 4, 5, 6, 7]
    np.testing.assert_allclose(end.relative, whole.relative[3:, 3:], rtol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("task, truncate", [("recall", None), ("text", None), ("recall", 3)])
def test_shares_of_an_update_are_autograds(cell, task, truncate):
    """Each time step's own weight, alike at all, gets what that step adds."""
    experiment = Experiment(cell=cell, task=task, truncate=truncate, **SMALL)
    found = why.measure_updates(experiment)
    np.testing.assert_allclose(found.shares.sum(1), 1, rtol=1e-12)
    for model in range(2):
        built, own, module, inputs, targets = by_torch(experiment, model)
        asked = targets[-1:] if built.every_step else targets
        copies, h, c = [], *torch.zeros(2, inputs.shape[1], module.hidden_size, dtype=torch.float64)
        for t, x in enumerate(inputs):
            if truncate and t % truncate == 0:
                h, c = h.detach(), c.detach()
            own_step = torch.nn.Module()
            for name, weight in module.named_parameters():
                setattr(own_step, name, weight.detach().clone().requires_grad_(name == "weight_hh_l0"))
            copies.append(own_step.weight_hh_l0)
            h, c = step_with(module, own_step, x, h, c)
        answer = h @ own["readout.weight"].T + own["readout.bias"]
        loss = built.loss(answer.unsqueeze(0) if built.every_step else answer, asked).sum()
        grads = torch.stack(torch.autograd.grad(loss, copies, allow_unused=True, materialize_grads=True))
        whole = grads.sum(0)
        wanted = (grads * whole).sum((1, 2)) / whole.square().sum()
        np.testing.assert_allclose(found.shares[model], wanted.flip(0).numpy(), rtol=1e-7, atol=1e-12)


def test_half_of_an_update_stays_from_there_on():
    shares = np.array([[0.6, -0.3, 0.4, 0.3], [0.5, 0.1, 0.2, 0.2], [np.nan] * 4])
    found = why.UpdateShares(shares)
    np.testing.assert_array_equal(found.half, [3, 1, np.nan])
    assert found.median_half == 3  # of the medians .55, .45, .75, 1
    assert why.UpdateShares(shares[2:]).median_half is None


@pytest.mark.parametrize("cell", CELLS)
def test_all_exponents_add_up_to_the_volume_by_autograd(cell):
    """The sum over all directions is the mean of ln |det J_t| of the step's whole state."""
    experiment = Experiment(cell=cell, **{**SMALL, "length": 6, "hidden_size": 3})
    found = why.measure_exponents(experiment)
    assert found.exponents.shape == (2, 6 if cell == "lstm" else 3)
    for model in range(2):
        _, _, module, inputs, _ = by_torch(experiment, model)
        assert found.exponents[model].sum() == pytest.approx(
            mean_log_volume(module, inputs[:, : why.SEQUENCES]), rel=1e-8
        )


def mean_log_volume(module, inputs):
    """The mean over time steps and sequences of ln |det| of a step's Jacobian, by autograd."""
    H = module.hidden_size
    width = 2 * H if isinstance(module, torch.nn.LSTM) else H
    state, logs = torch.zeros(inputs.shape[1], width, dtype=torch.float64), []
    for x in inputs:

        def step(before, x=x):
            after = step_with(module, module, x, before[:, :H], before[:, H:])
            return torch.cat(after, 1)[:, :width]

        jacobian = torch.autograd.functional.jacobian(lambda before: step(before).sum(0), state)  # (N, B, N)
        logs += torch.linalg.det(jacobian.transpose(0, 1)).abs().log().tolist()
        state = step(state).detach()
    return np.mean(logs)


def test_of_a_large_model_the_largest_exponents_are_measured(monkeypatch):
    experiment = Experiment(cell="gru", **SMALL)
    whole = why.measure_exponents(experiment.replace(seeds=1))
    monkeypatch.setattr(why, "SPECTRUM_WORK", 8 * 5 * 2.0**2)
    few = why.measure_exponents(experiment)
    assert few.exponents.shape == (1, 2)
    assert np.isfinite(whole.exponents).all() and np.isfinite(few.exponents).all()


@pytest.mark.parametrize("cell", CELLS)
def test_singular_values_are_those_of_the_module(cell):
    experiment = Experiment(cell=cell, **SMALL)
    _, _, module, inputs, _ = by_torch(experiment, 0)
    found = why.measure_singular_values(experiment)
    wanted = jacobian_spectrum(module, inputs[:, :4], found.distance.tolist())[0]
    np.testing.assert_allclose(found.values, wanted, rtol=1e-9)
    assert list(found.distance) == list(range(8))


@pytest.mark.parametrize("activation", ["relu", "identity"])
def test_other_activations_and_layers_are_measured(activation):
    experiment = Experiment(cell="lstm", activation=activation, layers=2, **SMALL)
    assert np.isfinite(why.measure_matrix(experiment).left).all()
    np.testing.assert_allclose(why.measure_updates(experiment).shares.sum(1), 1)
    assert why.measure_exponents(experiment).exponents.shape == (2, 20)
    assert np.isfinite(why.measure_singular_values(experiment).values).all()


def test_trained_weights_are_measured():
    experiment = Experiment(cell="gru", **SMALL)
    other = experiment.replace(seed=5)
    task = build_task(other)
    weights, _ = initial_weights(other, task.inputs, task.outputs)
    trained = {name: weight.numpy() for name, weight in weights.items()}
    for measure in (why.measure_matrix, why.measure_updates, why.measure_exponents, why.measure_singular_values):
        assert measure(experiment, trained) == measure(other) != measure(experiment)


def test_of_unlike_lengths_the_longest_are_read(tmp_path):
    file = tmp_path / "unlike.npz"
    file.write_bytes(sequences(lengths=np.tile([4, 6], 30)))
    experiment = with_own_length(Experiment(task="series", hidden_size=4, seeds=2, data_file=str(file)))
    batch = build_task(experiment).measuring()
    assert (batch.lengths < 6).any()
    window = why.run_window(experiment, None, None, range(1), 64)
    read = window.unroll.layers[0].x[:, 0].permute(0, 2, 1)  # (T, B, D)
    assert torch.equal(read, batch.inputs[:, batch.lengths == 6].double())
    assert torch.equal(window.targets, batch.targets[batch.lengths == 6])
    np.testing.assert_allclose(why.measure_updates(experiment).shares.sum(1), 1)
