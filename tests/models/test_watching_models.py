"""watch on whole models of public shape, in the loops that train them."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from analysis import gradient_decay, record, watch
from analysis.history.entry import NAME_LENGTH
from analysis.history.store import Store
from tests.helpers.models import WORDS, LanguageModel, Listener, Translator
from tests.helpers.modules import CELLS, MODULES

B, T = 5, 12


def losses(model, updates):
    """Train a model in a usual loop, as it wants to be trained; return every loss."""
    optimizer, found, state = torch.optim.Adam(model.parameters(), 1e-2), [], None
    torch.manual_seed(5)
    for _ in range(updates):
        tokens, target = torch.randint(WORDS, (2, B, T))
        optimizer.zero_grad()
        if isinstance(model, Translator):
            logits = model(tokens, target.roll(1, 1))
        elif isinstance(model, Listener):
            logits = model(torch.randn(B, T, 3)).unsqueeze(1)
            target = target[:, :1] % 2
        else:
            logits, state = model.read(tokens, state)
            state = state.detach() if isinstance(state, torch.Tensor) else tuple(part.detach() for part in state)
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), target.flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        found.append(loss.item())
    return found


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("kind", [LanguageModel, Translator, Listener])
def test_training_is_the_same_and_every_layer_is_followed(kind, cell):
    torch.manual_seed(0)
    bare = kind(MODULES[cell])
    watched = copy.deepcopy(bare)
    wanted = losses(bare, 6)
    after = torch.get_rng_state()
    with watch(watched, every=2) as seen:
        assert losses(watched, 6) == wanted and torch.equal(torch.get_rng_state(), after)
    for a, b in zip(bare.state_dict().values(), watched.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    names = ["encoder.rnn", "decoder"] if kind is Translator else ["rnn"]
    assert list(seen.history) == list(seen.backwards) == names
    for name in names:
        assert [each.step for each in seen.history[name]] == [2, 4, 6]
        assert seen.backwards[name] == 6 and not seen.skipped[name]
        assert all(np.isfinite(each.decay.relative).all() for each in seen.history[name])


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("part", ["encoder.rnn", "decoder"])
def test_a_snapshot_equals_what_record_measures_of_the_model(cell, part):
    model, (source, target) = Translator(MODULES[cell]).double(), torch.randint(WORDS, (2, B, T))

    def loss(logits):
        return nn.functional.cross_entropy(logits.flatten(0, 1), target.flatten())

    with watch(model, every=1) as watched:
        loss(model(source, target)).backward()
    [snapshot] = watched.history[part]
    wanted = gradient_decay(record(model, (source, target), loss, part=part, at=-1))
    assert np.allclose(snapshot.decay.norm, wanted.norm, rtol=1e-9)


def test_each_layer_is_saved_under_the_models_name_and_its_own(tmp_path):
    path, model = tmp_path / "runs.sqlite", Translator()
    with watch(model, every=1) as watched:
        losses(model, 2)
        ids = watched.save("my translator", path)
        losses(model, 1)
        assert watched.save("my translator", path) == ids
    store = Store(path)
    assert set(store.watched()) == {*ids.values()} and list(ids) == ["encoder.rnn", "decoder"]
    for part, id in ids.items():
        kept = store.load_watched(id)
        assert kept.name == f"my translator, {part}" and kept == watched.result("my translator")[part]
        assert kept.snapshots == tuple(watched.history[part]) and len(kept.snapshots) == 3
    assert {result.name for result in watched.result().values()} == {"encoder.rnn", "decoder"}
    long = watched.result("x" * NAME_LENGTH)["encoder.rnn"].name
    assert len(long) == NAME_LENGTH and long.endswith("x, encoder.rnn")


def test_a_model_with_a_layer_that_cant_be_measured():
    class Own(nn.LSTM):
        def forward(self, inputs, state=None):
            return super().forward(inputs, state)

    model = nn.ModuleDict({"own": Own(3, 6), "torchs": nn.LSTM(6, 6)})
    with watch(model, every=1) as watched:
        model["torchs"](model["own"](torch.randn(T, B, 3))[0])[0][-1].sum().backward()
    assert len(watched.history["torchs"]) == 1 and not watched.skipped["torchs"]
    [(reason, count)] = watched.skipped["own"].items()
    assert count == 1 and "Own has a forward of its own: expected LSTM's" in reason
    with pytest.raises(TypeError, match="Own has a forward of its own"):
        watch(nn.Sequential(Own(3, 6)))
    with pytest.raises(TypeError, match=r"Linear: expected nn\.RNN, nn\.LSTM or nn\.GRU"):
        watch(nn.Linear(3, 3))


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # of torch's compiler
@pytest.mark.parametrize("wrap", [nn.DataParallel, lambda model: torch.compile(model, backend="eager")])
def test_a_wrapped_model_is_watched(wrap):
    model, tokens = LanguageModel(), torch.randint(WORDS, (B, T))
    wrapped = wrap(model)
    with watch(wrapped, every=1) as watched:
        wrapped(tokens)[:, -1].sum().backward()
    assert list(watched.history) == ["rnn"] and len(watched.history["rnn"]) == 1
