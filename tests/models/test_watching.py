"""watch: measures what record would on the same batch, and changes nothing in the loop."""

import copy
import gc
import weakref
from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

import analysis
from analysis import activation_bounds, gate_saturation, gradient_decay, record, watch
from analysis.figures import timeline
from analysis.figures.bounds import sizes
from analysis.figures.decay import decay
from analysis.figures.gates import histograms
from analysis.history.serialization import decode, encode
from analysis.results import Snapshot
from tests.helpers.modules import CELLS, MODULES
from tests.helpers.watched import Model, trained

VARIANTS = list(product(CELLS, (True, False), (1, 2)))


@pytest.mark.parametrize("cell, batch_first, layers", VARIANTS)
def test_the_loop_computes_the_same_with_and_without_a_watch(cell, batch_first, layers):
    torch.manual_seed(1)
    bare = Model(cell, batch_first, layers, dropout=0.3 * (layers > 1))
    watched = copy.deepcopy(bare)
    threads = torch.get_num_threads()
    _, losses = trained(bare, 6)
    state = torch.random.get_rng_state()
    seen, same = trained(watched, 6, every=2)
    assert losses == same
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    for a, b in zip(bare.parameters(), watched.parameters(), strict=True):
        assert torch.equal(a, b) and torch.equal(a.grad, b.grad)
    assert watched.training and [snapshot.step for snapshot in seen.history] == [2, 4, 6]
    assert not seen.skipped


@pytest.mark.parametrize("cell, batch_first, layers", VARIANTS)
def test_a_snapshot_equals_what_record_measures_on_the_batch(cell, batch_first, layers):
    model = Model(cell, batch_first, layers)
    inputs = torch.randn(5, 12, 3) if batch_first else torch.randn(12, 5, 3)
    state = torch.randn(layers, 5, 6)
    state = (state, torch.randn(layers, 5, 6)) if cell == "lstm" else state
    with watch(model.recurrent, every=1) as watched:
        loss = model(inputs, state).square().mean()
        loss.backward()
    head = copy.deepcopy(model.head).double()
    last = (lambda out: out[:, -1]) if batch_first else (lambda out: out[-1])
    tape = record(model.recurrent, inputs, lambda out: head(last(out)).square().mean(), state=state)
    [snapshot] = watched.history
    assert np.allclose(snapshot.decay.relative, gradient_decay(tape).relative, rtol=1e-4)
    assert np.allclose(snapshot.decay.norm, gradient_decay(tape).norm, rtol=1e-4)
    assert snapshot.saturation == gate_saturation(tape)
    assert snapshot.bounds == activation_bounds(tape)


@pytest.mark.parametrize("cell, batch_first, layers", VARIANTS)
def test_a_loss_of_the_final_states(cell, batch_first, layers):
    """h_n is how most people read the last output; c_n counts too."""
    module = MODULES[cell](3, 6, layers, batch_first=batch_first)
    inputs = torch.randn(5, 12, 3) if batch_first else torch.randn(12, 5, 3)
    with watch(module, every=1) as watched:
        h = module(inputs)[1]
        (h[0] if cell == "lstm" else h)[-1].sum().backward()
    tape = record(module, inputs, lambda out: (out[:, -1] if batch_first else out[-1]).sum(-1))
    assert np.allclose(watched.history[0].decay.relative, gradient_decay(tape).relative, rtol=1e-4)


def test_a_loss_of_the_cell_state_by_autograd():
    module, inputs = nn.LSTM(3, 6), torch.randn(8, 5, 3)
    with watch(module, every=1) as watched:
        _, (_, c_n) = module(inputs)
        c_n.square().sum().backward()
    W, U, bias, more = (weight.detach().double() for weight in module.parameters())
    h = c = torch.zeros(5, 6, dtype=torch.float64)
    states = []
    for x in inputs.double():
        i, f, g, o = (x @ W.T + h @ U.T + bias + more).chunk(4, 1)
        c = (f.sigmoid() * c + i.sigmoid() * g.tanh()).requires_grad_()
        h = o.sigmoid() * c.tanh()
        c.retain_grad()
        states.append(c)
    c.square().sum().backward()
    norms = torch.stack([c.grad.norm(dim=-1) for c in states[::-1]])
    assert np.allclose(watched.history[0].decay.norm, norms.median(1).values, rtol=1e-4)


def test_a_loss_on_several_steps_is_measured_at_the_last():
    module, inputs = nn.GRU(3, 6, batch_first=True), torch.randn(5, 12, 3)
    for steps, at in ((slice(None), 11), (slice(2, 8), 7)):
        with watch(module, every=1) as watched:
            module(inputs)[0][:, steps].square().sum().backward()
        tape = record(module, inputs, lambda out: out.square().sum((1, 2)), at=at)
        assert np.allclose(watched.history[0].decay.relative, gradient_decay(tape).relative, rtol=1e-4)
        assert len(watched.history[0].decay.distance) == at + 1


def test_one_sequence_without_a_batch():
    module = nn.LSTM(3, 6, 2, batch_first=True)
    inputs, state = torch.randn(12, 3), (torch.randn(2, 6), torch.randn(2, 6))
    with watch(module, every=1) as watched:
        module(inputs, state)[0][-1].sum().backward()
        _, (h, _) = module(input=inputs, hx=state)
        h[-1].sum().backward()
    tape = record(module, inputs, lambda out: out[-1].sum(), state=state)
    for snapshot in watched.history:
        assert np.allclose(snapshot.decay.relative, gradient_decay(tape).relative, rtol=1e-4)
    assert len(watched.history) == 2


def test_the_first_sequences_alone_are_measured():
    module, inputs, state = nn.GRU(3, 6), torch.randn(12, 40, 3), torch.randn(1, 40, 6)
    with watch(module, every=1, samples=4) as watched:
        module(inputs, state)[0][-1].sum().backward()
    tape = record(module, inputs[:, :4], lambda out: out[-1].sum(-1), state=state[:, :4])
    assert np.allclose(watched.history[0].decay.low, gradient_decay(tape).low, rtol=1e-4)


def test_calls_that_do_not_train_are_not_counted():
    model, inputs = Model(), torch.randn(5, 12, 3)
    with watch(model.recurrent, every=1) as watched:
        with torch.no_grad():
            model(inputs)
        with torch.inference_mode():
            model(inputs)
        model(inputs)  # never goes back
        model.eval()(inputs).sum().backward()
        assert not watched.backwards and not watched.history
        model.train()(inputs).sum().backward()
        assert watched.backwards == 1 == len(watched.history)


@pytest.mark.parametrize("every, forwards", list(product((2, 3, 4), (2, 3))))
def test_a_module_that_runs_several_times_per_loss(every, forwards):
    """Each run that goes back is a pass, as in a siamese network."""
    module = nn.LSTM(3, 6)
    with watch(module, every) as watched:
        for _ in range(12):
            sum(module(torch.randn(5, 4, 3))[0][-1].sum() for _ in range(forwards)).backward()
    assert watched.backwards == 12 * forwards and not watched.skipped
    assert [each.step for each in watched.history] == list(range(every, 12 * forwards + 1, every))


def test_each_call_of_several_is_measured_on_its_own_inputs():
    module, (first, second) = nn.GRU(3, 6), torch.randn(2, 9, 4, 3)
    with watch(module, every=1) as watched:
        output, state = module(first)
        (module(second, state)[0][-1].sum() + output[-1].sum()).backward()
    assert watched.history[0].bounds == activation_bounds(record(module, second, state=state))  # goes back first
    assert watched.history[1].bounds == activation_bounds(record(module, first))


def test_truncated_backpropagation_counts_windows():
    module, state = nn.GRU(3, 6), None
    with watch(module, every=3) as watched:
        for _ in range(7):
            output, state = module(torch.randn(5, 4, 3), state)
            output.sum().backward()
            state = state.detach()
    assert [each.step for each in watched.history] == [3, 6] and watched.backwards == 7


def test_a_call_on_one_step_is_skipped_with_the_reason():
    module = nn.LSTM(3, 6)
    with watch(module, every=10) as watched:
        for _ in range(200):
            module(torch.randn(1, 4, 3))[0].sum().backward()
        for _ in range(10):
            module(torch.randn(5, 4, 3))[0][0].sum().backward()
    assert watched.backwards == 210 and not watched.history
    one_step, first_step = watched.skipped
    assert "a call on one time step: a distance needs a whole sequence in one call" in one_step
    assert "the loss reads the first time step of a call alone" in first_step
    assert list(watched.skipped.values()) == [20, 1]


def test_a_forward_without_a_backward_is_not_counted():
    module = nn.GRU(3, 6)
    with watch(module, every=2) as watched:
        for _ in range(4):
            module(torch.randn(5, 4, 3))
            module(torch.randn(5, 4, 3))[0][-1].sum().backward()
    assert [each.step for each in watched.history] == [2, 4]


@pytest.mark.parametrize("every", [1, 3])
def test_the_inputs_of_a_backward_pass_are_freed(every):
    """With the pass, or with a graph that never goes back; a loop may keep all its losses."""
    module, held, losses = nn.GRU(3, 6), [], []
    with watch(module, every) as watched:
        for backwards in (True, True, False, True):
            inputs, state = torch.randn(12, 5, 3), torch.randn(1, 5, 6)
            held += [weakref.ref(inputs.untyped_storage()), weakref.ref(state.untyped_storage())]
            loss = module(inputs, state)[0].sum()
            if backwards:
                loss.backward()
                losses.append(loss)
            del inputs, state, loss
        gc.collect()
        assert not any(reference() for reference in held)
    assert watched.backwards == 3


def test_a_long_history_is_thinned_and_measured_less_often(monkeypatch):
    monkeypatch.setattr("analysis.models.watching.MOST", 4)
    module = nn.GRU(3, 6)
    with watch(module, every=2) as watched:
        for _ in range(34):
            module(torch.randn(5, 4, 3))[0][-1].sum().backward()
    assert [each.step for each in watched.history] == [2, 16, 32] and watched.backwards == 34


def test_close_removes_everything_from_the_module():
    model = Model()
    before = dict(model.recurrent.__dict__["_forward_hooks"])
    watched, _ = trained(model, 3, every=1)
    pending = model(torch.randn(5, 12, 3)).sum()
    watched.close()
    watched.close()
    pending.backward()
    trained(model, 2)
    assert len(watched.history) == 3
    assert dict(model.recurrent._forward_hooks) == before
    assert model.recurrent.__dict__.keys() == Model().recurrent.__dict__.keys()


def test_two_watches_of_one_module():
    model = Model()
    with watch(model.recurrent, 1) as one, watch(model.recurrent, 2) as two:
        for _ in range(2):
            model(torch.randn(5, 12, 3)).sum().backward()
    assert [len(one.history), len(two.history)] == [2, 1]
    assert one.history[1] == two.history[0]


def test_what_cant_be_measured_is_counted_and_the_loop_goes_on():
    module = nn.LSTM(3, 6)
    with watch(module, every=1) as watched:
        packed = nn.utils.rnn.pack_sequence([torch.randn(4, 3), torch.randn(2, 3)])
        module(packed)[1][1].sum().backward()
        (module(torch.randn(4, 2, 3))[0] * 0).sum().backward()
        module(torch.randn(4, 2, 3))[0][-1].sum().backward()
    assert watched.backwards == 3 and len(watched.history) == 1
    assert [count for reason, count in watched.skipped.items() if "the loss reads c_n: expected" in reason] == [1]
    assert [count for reason, count in watched.skipped.items() if "reads no time step" in reason] == [1]


def test_a_network_that_diverged_is_measured():
    module = nn.RNN(3, 6, nonlinearity="relu")
    nn.init.constant_(module.weight_hh_l0, 1e5)
    with watch(module, every=1) as watched:
        module(torch.randn(300, 2, 3))[0][-1].sum().backward()
    assert np.isnan(watched.history[0].decay.horizon) and watched.history[0].bounds.overflow_step


def test_gradient_accumulation_and_retained_graphs():
    module = nn.GRU(3, 6)
    with watch(module, every=2) as watched:
        for _ in range(4):
            module(torch.randn(4, 2, 3))[0][-1].sum().backward()
        loss = module(torch.randn(4, 2, 3))[0][-1].sum()
        loss.backward(retain_graph=True)
        loss.backward()
    assert watched.backwards == 5


def test_the_figures_draw_a_history_and_the_codec_keeps_it():
    watched, _ = trained(Model("gru"), 4, every=2)
    snapshot = watched.history[-1]
    assert isinstance(snapshot, Snapshot) and np.isnan(snapshot.loss).all()
    assert len(decay({"gru": snapshot.decay}).data[-1].x)
    assert histograms({"gru": snapshot.saturation}).data
    assert sizes({"tanh": snapshot.bounds}).data
    assert decode(Snapshot, encode(snapshot)) == snapshot


def test_the_timeline_of_a_watched_model_has_its_horizon_alone():
    watched, _ = trained(Model("gru"), 7, every=2)
    result = watched.result()
    figure = timeline.timeline({"gru": result}, step=4)
    [line] = [trace for trace in figure.data if trace.name == "GRU"]
    assert list(line.x) == [2, 4, 6] and list(line.y) == [each.decay.horizon for each in watched.history]
    assert figure.layout.xaxis.title.text == "backward pass" and list(figure.layout.xaxis.range) == [0, 7]
    assert figure.layout.yaxis.title.text == "horizon,<br>time steps" and "yaxis2" not in figure.layout
    assert len(figure.layout.shapes) == 1
    run = analysis.train(analysis.Experiment(hidden_size=2, length=4, steps=3, seeds=1))
    both = timeline.timeline({"gru": result, "lstm": run})
    assert both.layout.yaxis2.title.text == "accuracy" and list(both.layout.xaxis.range) == [0, 7]
    assert [trace.name for trace in both.data if trace.yaxis == "y2"] == ["LSTM models", "LSTM", "chance"]
    alone = timeline.timeline({"gru": trained(Model("gru"), 1, every=1)[0].result()})
    assert alone.data[-1].mode == "markers"


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda: watch(nn.Linear(2, 3)), TypeError, "Linear: expected nn.RNN, nn.LSTM or nn.GRU"),
        (lambda: watch(nn.GRU(2, 3), 0), ValueError, "every=0: expected a whole number from 1 on"),
        (lambda: watch(nn.GRU(2, 3), 1.5), ValueError, "every=1.5"),
        (lambda: watch(nn.GRU(2, 3), samples=0), ValueError, "samples=0"),
    ],
)
def test_bad_arguments_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_it_is_public():
    assert analysis.watch is watch and "watch" in analysis.__all__
