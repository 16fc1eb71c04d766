import copy
import gc
import io
import random
import sqlite3
import weakref
import zipfile
from contextlib import closing, suppress
from dataclasses import replace
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
from analysis.history.database import NoRunError, StoreError
from analysis.history.entry import NAME_LENGTH
from analysis.history.serialization import decode, encode
from analysis.history.store import Store
from analysis.history.validation import check_watched
from analysis.results import Snapshot
from tests.helpers.files import mutated
from tests.helpers.runs import forgeries, shown

KINDS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
VARIANTS = list(product(KINDS, (True, False), (1, 2)))


class Model(nn.Module):
    """Reads numbers, answers from the recurrent layer's output."""

    def __init__(self, cell="lstm", batch_first=True, layers=1, **options):
        super().__init__()
        self.recurrent = KINDS[cell](3, 6, layers, batch_first=batch_first, **options)
        self.head = nn.Linear(6, 1)

    def forward(self, inputs, state=None):
        output, _ = self.recurrent(inputs, state)
        return self.head(output[:, -1] if self.recurrent.batch_first else output[-1])


def trained(model, steps, every=None, seed=0, threads=1, **options):
    """Train in a usual loop, drawing data from the global generator; return the watch and every loss."""
    torch.manual_seed(seed)
    optimizer, losses = torch.optim.Adam(model.parameters(), 1e-2), []
    watched = watch(model.recurrent, every, **options) if every else None
    for _ in range(steps):
        inputs = torch.randn(5, 12, 3) if model.recurrent.batch_first else torch.randn(12, 5, 3)
        optimizer.zero_grad()
        loss = (model(inputs) - inputs.sum()).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return watched, losses


@pytest.mark.parametrize("cell, batch_first, layers", VARIANTS)
def test_the_loop_stays_as_it_was(cell, batch_first, layers):
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
def test_a_snapshot_is_what_record_says_of_the_batch(cell, batch_first, layers):
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
    module = KINDS[cell](3, 6, layers, batch_first=batch_first)
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


def test_of_a_loss_on_several_steps_the_last_alone():
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


def test_only_the_first_sequences():
    module, inputs, state = nn.GRU(3, 6), torch.randn(12, 40, 3), torch.randn(1, 40, 6)
    with watch(module, every=1, samples=4) as watched:
        module(inputs, state)[0][-1].sum().backward()
    tape = record(module, inputs[:, :4], lambda out: out[-1].sum(-1), state=state[:, :4])
    assert np.allclose(watched.history[0].decay.low, gradient_decay(tape).low, rtol=1e-4)


def test_passes_that_dont_train_dont_count():
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


def test_each_run_of_several_is_measured_on_what_it_read():
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


def test_step_by_step_there_is_no_distance_and_it_says_so():
    module = nn.LSTM(3, 6)
    with watch(module, every=10) as watched:
        for _ in range(20):
            state, loss = None, 0
            for _ in range(10):
                output, state = module(torch.randn(1, 4, 3), state)
                loss = loss + output.sum()
            loss.backward()
        for _ in range(10):
            module(torch.randn(5, 4, 3))[0][0].sum().backward()
    assert watched.backwards == 210 and not watched.history
    [(reason, count)] = watched.skipped.items()
    assert count == 21 and "a distance needs a whole sequence in one call" in reason


def test_a_forward_that_never_goes_back_takes_no_turn():
    module = nn.GRU(3, 6)
    with watch(module, every=2) as watched:
        for _ in range(4):
            module(torch.randn(5, 4, 3))
            module(torch.randn(5, 4, 3))[0][-1].sum().backward()
    assert [each.step for each in watched.history] == [2, 4]


@pytest.mark.parametrize("every", [1, 3])
def test_what_a_pass_read_is_let_go(every):
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


def test_closed_it_leaves_nothing_behind():
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


def test_two_at_once_and_in_turn():
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
        module(packed)[0].data.sum().backward()
        (module(torch.randn(4, 2, 3))[0] * 0).sum().backward()
        module(torch.randn(4, 2, 3))[0][-1].sum().backward()
    assert watched.backwards == 3 and len(watched.history) == 1
    assert [count for reason, count in watched.skipped.items() if "packed sequences are not supported" in reason] == [1]
    assert [count for reason, count in watched.skipped.items() if "reads no step" in reason] == [1]


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


@pytest.mark.parametrize("cell", KINDS)
def test_what_is_saved_comes_back(cell, tmp_path):
    path = tmp_path / "runs.sqlite"
    watched, _ = trained(Model(cell, layers=2), 4, every=2)
    watched.skipped["packed"] = 3
    id = watched.save(" mine ", path)
    kept = Store(path).load_watched(id)
    assert kept == watched.result("mine") and kept.snapshots == tuple(watched.history)
    assert (kept.name, kept.cell, kept.activation, kept.backwards) == ("mine", cell, "tanh", 4)
    assert (kept.input_size, kept.hidden_size, kept.layers, kept.skipped) == (3, 6, 2, {"packed": 3})
    assert kept.versions["torch"] == torch.__version__


def test_saving_again_replaces_it(tmp_path):
    path, module = tmp_path / "runs.sqlite", nn.GRU(3, 6)
    with watch(module, every=1) as watched:
        ids = [watched.save("before anything", path)]
        for _ in range(2):
            module(torch.randn(4, 2, 3))[0][-1].sum().backward()
            ids.append(watched.save("after an epoch", path))
    other = watch(module).save("another", path)
    store = Store(path)
    assert len({*ids}) == 1 and list(store.watched()) == [other, ids[0]]
    assert len(store.load_watched(ids[0]).snapshots) == 2
    assert store.rows() == []


def test_a_name_given_on_the_page_outlives_the_next_save(tmp_path):
    path, watched = tmp_path / "runs.sqlite", watch(nn.GRU(3, 6))
    store, id = Store(path), watched.save("run 1", path)
    for name in ("the good one", ""):
        store.rename_watched(id, name)
        assert watched.save("run 1", path) == id
        assert store.load_watched(id).name == name
    watched.save("run 2", path)  # the caller's own wish
    assert store.load_watched(id).name == "run 2"
    store.delete_watched(id)
    watched.save("run 2", path)
    assert store.load_watched(id).name == "run 2"


def test_a_watched_model_is_renamed_and_deleted(tmp_path):
    path = tmp_path / "runs.sqlite"
    store, watched = Store(path), watch(nn.RNN(3, 6, nonlinearity="relu"))
    assert store.watched() == {}
    with pytest.raises(NoRunError, match="no watched model none"):
        store.load_watched("none")
    id = watched.save("a", path)
    store.rename_watched(id, " b" * NAME_LENGTH)
    assert store.load_watched(id).name == (" b" * NAME_LENGTH).strip()[:NAME_LENGTH]
    store.delete_watched(id)
    assert store.watched() == {}
    assert watched.save("a", path) == id  # the loop goes on


def test_a_history_made_before_is_kept_and_stays_readable(tmp_path):
    """The table comes with the first watched model; the schema's number stays."""
    path = tmp_path / "runs.sqlite"
    id = Store(path).add(analysis.Experiment())
    with closing(sqlite3.connect(path)) as connection:
        before = connection.execute("PRAGMA user_version").fetchone()
        assert not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'watched'").fetchone()
    watch(nn.GRU(3, 6)).save("a", path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == before
    assert Store(path).row(id).experiment == analysis.Experiment()


def with_decay(result, **changes):
    return replace(
        result, snapshots=tuple(replace(each, decay=replace(each.decay, **changes)) for each in result.snapshots)
    )


def damaged():
    """A watched model with one thing wrong, by what that is."""
    watched, _ = trained(Model("lstm"), 4, every=2)
    result = watched.result("a")
    first, last = result.snapshots
    return {
        "cell": replace(result, cell="qrnn"),
        "skipped": replace(result, skipped={"packed": -1}),
        "created": replace(result, created="9999-12-31T23:59:59-23:59"),
        "numbers of float64": with_decay(result, distance=np.full(12, np.inf)),
        "horizon": with_decay(result, horizon=1e9, horizons=np.array([1e9])),
        "gradient": with_decay(result, of="x"),
        "threshold": with_decay(result, threshold=np.nan),
        "activation": replace(result, activation="sin"),
        "sizes": replace(result, layers=0),
        "order of snapshots": replace(result, snapshots=(last, first)),
        "pass": replace(result, backwards=3),
        "gates": replace(result, snapshots=(replace(first, saturation={}),)),
        "levels": replace(
            result,
            snapshots=(replace(first, bounds=replace(first.bounds, levels=np.ones(3), hidden=np.ones((3, 12)))),),
        ),
        "cell state": replace(result, snapshots=(replace(first, bounds=replace(first.bounds, cell=None)),)),
        "axes": replace(result, hidden_size=5),
        "isoformat": replace(result, created="yesterday"),
        "surrogates": replace(result, name="\ud800"),
    }


@pytest.mark.parametrize("cell", KINDS)
def test_a_watched_model_with_forged_numbers_is_refused_or_shown(cell):
    draw, accepted = random.Random(3), []
    models = list(forgeries(trained(Model(cell), 2, every=1)[0].result()))
    for model in draw.sample(models, 200):
        with suppress(ValueError):
            check_watched(model)
            accepted.append(model)
    assert 10 < len(accepted) < 150
    for model in accepted[:6]:
        shown("a", model)


def test_a_record_that_unpacks_to_much_more_than_it_is_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("analysis.history.serialization.LARGEST_JSON", 2**20)
    watched, _ = trained(Model("gru"), 2, every=1)
    store = Store(tmp_path / "runs.sqlite")
    watched.save("a", store.path)
    file = io.BytesIO(encode(watched.result("a")))
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("uint8.npy", bytes(2**21))
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute("UPDATE watched SET data = ?", (file.getvalue(),))
    [id] = store.watched()
    with pytest.raises(StoreError, match=r"it unpacks to .* bytes: expected at most"):
        store.load_watched(id)


@pytest.mark.parametrize("change", damaged())
def test_what_doesnt_fit_is_neither_kept_nor_read(change, tmp_path):
    store, wrong = Store(tmp_path / "runs.sqlite"), damaged()[change]
    with pytest.raises(StoreError, match=f"can't be kept: .*{change}"):
        store.keep_watched(wrong)
    id = watch(nn.GRU(3, 6)).save("a", store.path)
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute("UPDATE watched SET data = ?", (encode(wrong),))
    with pytest.raises(StoreError, match=f"watched model {id} is damaged: .*{change}"):
        store.load_watched(id)


def test_a_mutated_record_is_read_or_refused(tmp_path):
    watched, _ = trained(Model("gru"), 2, every=1)
    store, chance = Store(tmp_path / "runs.sqlite"), random.Random(0)
    id = watched.save("a", store.path)
    original = encode(watched.result("a"))
    with closing(sqlite3.connect(store.path, isolation_level=None)) as connection:
        for forged in [mutated(original, chance) for _ in range(200)] + [b"", "text", 3, 1.5]:
            connection.execute("UPDATE watched SET data = ?", (forged,))
            try:
                store.load_watched(id)
            except StoreError as error:
                assert "\n" not in str(error)


def test_a_table_that_is_another_is_refused(tmp_path):
    store = Store(tmp_path / "runs.sqlite")
    with closing(sqlite3.connect(store.path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE watched (a)")
    for ask in (store.watched, lambda: store.load_watched("a"), lambda: watch(nn.GRU(3, 6)).save("a", store.path)):
        with pytest.raises(StoreError, match=r"no such column|has 1 column"):
            ask()


def test_a_history_that_cant_be_written_is_said_and_loses_nothing(tmp_path):
    watched, _ = trained(Model(), 2, every=1)
    with pytest.raises(StoreError, match="expected a file to keep runs in"):
        watched.save("a", tmp_path)
    assert len(watched.history) == 2


def test_the_timeline_of_a_watched_model_has_its_horizon_alone():
    watched, _ = trained(Model("gru"), 7, every=2)
    result = watched.result()
    figure = timeline.timeline({"gru": result}, step=4)
    [line] = [trace for trace in figure.data if trace.name == "GRU"]
    assert list(line.x) == [2, 4, 6] and list(line.y) == [each.decay.horizon for each in watched.history]
    assert figure.layout.xaxis.title.text == "backward pass" and list(figure.layout.xaxis.range) == [0, 7]
    assert figure.layout.yaxis.title.text == "horizon" and "yaxis2" not in figure.layout
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
        (lambda: watch(nn.LSTM(2, 3, bidirectional=True)), ValueError, "bidirectional=True: not supported"),
        (lambda: watch(nn.LSTM(2, 4, proj_size=3)), ValueError, "proj_size=3"),
        (lambda: watch(nn.GRU(2, 3), 0), ValueError, "every=0: expected a whole number from 1 on"),
        (lambda: watch(nn.GRU(2, 3), 1.5), ValueError, "every=1.5"),
        (lambda: watch(nn.GRU(2, 3), samples=0), ValueError, "samples=0"),
    ],
)
def test_what_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_it_is_public():
    assert analysis.watch is watch and "watch" in analysis.__all__
