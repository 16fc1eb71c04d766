"""record of cells, and of modules that are wrapped or whose weights are computed: what the next forward pass uses."""

import copy
import warnings
from itertools import product

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune

from analysis import gradient_matrix, record
from analysis.engine.modules import plain_module
from tests.engine.test_directions import build
from tests.engine.test_recording import B, D, H, T, draw
from tests.helpers.loops import agree, by_loop

CELLS = {
    "rnn": lambda bias: nn.RNNCell(D, H, bias),
    "relu": lambda bias: nn.RNNCell(D, H, bias, nonlinearity="relu"),
    "lstm": lambda bias: nn.LSTMCell(D, H, bias),
    "gru": lambda bias: nn.GRUCell(D, H, bias),
}


def run_cell(cell, x, state):
    """h, ∂ℓ/∂h, c and ∂ℓ/∂c, (1, T, B, H), of a loop over a cell, with the loss Σ sin h_t."""
    states = []
    now = state if isinstance(cell, nn.LSTMCell) else state[0]
    for step in x:
        now = cell(step, now)
        states.append(now if isinstance(now, tuple) else (now,))
        for part in states[-1]:
            part.retain_grad()
    sum(parts[0].sin().sum() for parts in states).backward()
    found = {}
    for name, parts in zip(("hidden", "cell"), zip(*states, strict=True), strict=False):
        found[name] = torch.stack(parts).detach().numpy()[None]
        found[f"{name}_grad"] = torch.stack([part.grad for part in parts]).numpy()[None]
    return found


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", CELLS)
def test_a_cell_is_run_over_the_time_axis(kind, bias):
    torch.manual_seed(0)
    cell, x = CELLS[kind](bias).double(), draw(T, B, D)
    state = tuple(draw(B, H, seed=k + 1) for k in range(1 + (kind == "lstm")))
    loss = lambda output: output.sin().sum()  # noqa: E731
    given = tuple(part[None] for part in state)
    tape = record(cell, x, loss, state=given if kind == "lstm" else given[0])
    agree(tape, run_cell(cell, x, state))
    agree(record(cell, x, loss), run_cell(cell, x, tuple(map(torch.zeros_like, state))))
    assert tape.activation == ("relu" if kind == "relu" else "tanh")
    assert record(cell, x[:, 0]).hidden.shape == (1, 1, T, 1, H)
    assert record([cell, cell], x, loss, lengths=[T, 2, 3, 4]).hidden.shape == (2, 1, T, B, H)


@pytest.mark.parametrize("kind", CELLS)
def test_a_cells_own_state_is_its_initial_state(kind):
    """As the cell takes it, (B, H)."""
    cell, x = CELLS[kind](True), draw(T, B, D)
    state = tuple(draw(B, H, seed=k + 1) for k in range(1 + (kind == "lstm")))
    as_layer = tuple(part[None] for part in state)
    assert record(cell, x, state=state if kind == "lstm" else state[0]) == record(
        cell, x, state=as_layer if kind == "lstm" else as_layer[0]
    )


def weight_normed(module):
    with warnings.catch_warnings():  # torch warns that another way replaces this one
        warnings.simplefilter("ignore")
        return nn.utils.weight_norm(module, "weight_hh_l0")


def spectral_normed(module):
    return nn.utils.spectral_norm(module, "weight_hh_l0")


class Dropped(nn.Module):
    """Weight drop: entries of a weight are left out at random in training."""

    def forward(self, weight):
        return nn.functional.dropout(weight, 0.5, self.training)


def weight_dropped(module):
    parametrize.register_parametrization(module, "weight_hh_l0", Dropped())
    return module


COMPUTED = {  # ways to compute weights: as hooks before a forward pass, and as parametrizations
    "weight norm": lambda module: parametrizations.weight_norm(module, "weight_hh_l0"),
    "old weight norm": weight_normed,
    "spectral norm": lambda module: parametrizations.spectral_norm(module, "weight_hh_l0"),
    "old spectral norm": spectral_normed,
    "pruning": lambda module: prune.l1_unstructured(module, "weight_hh_l0", 0.5),
    "weight drop": weight_dropped,
    "orthogonal": lambda module: parametrizations.orthogonal(module, "weight_hh_l0"),
}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("way", COMPUTED)
def test_the_weights_of_the_next_forward_pass_are_measured(way, training):
    module = COMPUTED[way](build("gru", 2)).train(training)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.endswith(("_g", "_v", "_orig", "original", "original0", "original1")):
                parameter.mul_(torch.rand(parameter.shape, generator=torch.Generator().manual_seed(1)) + 0.5)
    x = draw(T, B, D)
    seen = torch.get_rng_state(), {name: value.clone() for name, value in module.state_dict().items()}
    tape = record(module, x)
    assert torch.equal(torch.get_rng_state(), seen[0])
    for name, value in module.state_dict().items():
        assert torch.equal(value, seen[1][name]), name
    output, _ = module(x)  # draws what record has foreseen
    np.testing.assert_allclose(tape.hidden[0, -1], output.detach(), rtol=0, atol=1e-12)


def test_the_computed_weights_of_a_cell_are_measured():
    torch.manual_seed(0)
    cell, x = parametrizations.weight_norm(nn.LSTMCell(D, H).double(), "weight_hh"), draw(T, B, D)
    with torch.no_grad():
        cell.parametrizations.weight_hh.original0.mul_(2)
    zero = torch.zeros(B, H, dtype=torch.float64)
    agree(record(cell, x, lambda output: output.sin().sum()), run_cell(cell, x, (zero, zero)))


@pytest.mark.parametrize("way", ["old weight norm", "pruning", "old spectral norm"])
def test_a_weight_that_is_stale_after_loading_is_computed_anew(way):
    module, other = COMPUTED[way](build("lstm")), COMPUTED[way](build("lstm", seed=5))
    x = draw(T, B, D)
    module.load_state_dict(other.state_dict())
    stale = module.weight_hh_l0.clone()
    tape = record(module, x)
    assert torch.equal(module.weight_hh_l0, stale)  # it stays as it was
    np.testing.assert_allclose(tape.hidden[0, 0], module(x)[0].detach(), rtol=0, atol=1e-12)
    assert not torch.allclose(module.weight_hh_l0, stale)


def test_training_goes_on_as_it_would_without_recording():
    def trained(recording):
        torch.manual_seed(0)
        module = COMPUTED["old spectral norm"](weight_normed_twice(nn.GRU(D, H)))
        optimizer = torch.optim.SGD(module.parameters(), 0.1)
        for _ in range(3):
            if recording:
                record(module, draw(T, B, D))
            optimizer.zero_grad()
            loss = module(torch.randn(T, B, D))[0].square().sum()
            if recording:
                record(module, draw(T, B, D))
            loss.backward()
            optimizer.step()
        return [parameter.detach() for parameter in module.parameters()]

    def weight_normed_twice(module):
        parametrizations.weight_norm(module, "weight_ih_l0")
        return module

    for found, wanted in zip(trained(True), trained(False), strict=True):
        assert torch.equal(found, wanted)


WRAPPED = {
    "DataParallel": nn.DataParallel,
    "compiled": lambda module: torch.compile(module, backend="eager"),
    "both": lambda module: torch.compile(nn.DataParallel(module), backend="eager"),
}


@pytest.mark.parametrize("way", WRAPPED)
@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
def test_a_wrapped_module_is_the_module(way, kind):
    module, x = build(kind, 2, bidirectional=True), draw(T, B, D)
    wrapped = WRAPPED[way](module)
    assert record(wrapped, x) == record(module, x)
    assert record([wrapped, module], x) == record([module, module], x)


def test_a_distributed_module_is_the_module():
    module, x = build("gru"), draw(T, B, D)
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    try:
        assert record(nn.parallel.DistributedDataParallel(module), x) == record(module, x)
    finally:
        torch.distributed.destroy_process_group()


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
def test_a_copy_of_a_module_is_measured_alike(kind):
    module, x = build(kind, bidirectional=True), draw(T, B, D)
    agree(record(copy.deepcopy(module), x, lambda output: output.sum()), by_loop(module, x, lambda output: output))


def test_a_plain_module_is_taken_itself():
    module = build("lstm")
    assert plain_module(module) is module


def test_a_quantised_module_is_refused_by_name():
    with warnings.catch_warnings():  # torch deprecates its quantisation
        warnings.simplefilter("ignore")
        quantised = torch.ao.nn.quantized.dynamic.LSTM(D, H)
        cell = torch.ao.nn.quantized.dynamic.GRUCell(D, H)
    for module in (quantised, cell):
        with pytest.raises(TypeError, match=r"(LSTM|GRUCell) is quantised: expected the module of floating-point"):
            record(module, torch.zeros(T, B, D))


def test_a_cell_with_a_forward_of_its_own_is_refused():
    class Mine(nn.GRUCell):
        def forward(self, inputs, state=None):
            return super().forward(2 * inputs, state)

    with pytest.raises(TypeError, match="Mine has a forward of its own: expected GRUCell's"):
        record(Mine(2, 3), torch.zeros(4, 1, 2))


def test_a_gradient_matrix_of_a_cell_is_that_of_the_layer():
    module, x = build("gru"), draw(T, B, D)
    cell = nn.GRUCell(D, H).double()
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in module.state_dict().items()})
    np.testing.assert_array_equal(gradient_matrix(cell, x), gradient_matrix(module, x))


SMOOTH = torch.linspace(0, 3, 12)[:, None, None].sin() + torch.arange(5.0)[None, :, None]  # (12 steps, 5 sequences, 1)


@pytest.mark.parametrize("batch_first", [False, True])
def test_batch_first_forgotten_is_warned_of(batch_first):
    """The last step that the loss means to read is then the last sequence, at all time steps."""
    module = nn.GRU(1, H, batch_first=batch_first)
    inputs = SMOOTH if batch_first else SMOOTH.transpose(0, 1)
    with pytest.warns(UserWarning, match=f"reads all .* time steps alike.*batch_first={not batch_first}") as caught:
        record(
            module,
            inputs,
            lambda output: output[-1 if batch_first else slice(None), -1 if not batch_first else ...].sum(),
        )
    assert len(caught) == 1 and caught[0].filename == __file__


def test_a_loss_on_every_step_of_the_right_axes_isnt_warned_of():
    for loss in (lambda output: output.sum(), lambda output: output[-1].sum(), None):
        record(nn.GRU(1, H), SMOOTH, loss)
    record(nn.GRU(1, H), SMOOTH.transpose(0, 1), lambda output: output[-1].sum())  # reads one time step
    record(nn.GRU(1, H), SMOOTH.transpose(0, 1)[:, :1].expand(-1, 4, -1), lambda output: output.sum())  # all the same
    for seed, steps in product(range(100), (3, 12)):  # nothing is smooth
        record(nn.GRU(2, 1), draw(steps, 5, 2, seed=seed), lambda output: output.sum())
