"""record of samples of unlike lengths, packed or padded, and of sequences that begin anew, against an autograd loop."""

from itertools import product

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from analysis import activation_bounds, carry_decay, gate_saturation, gradient_decay, record
from analysis.engine.sequences import like_lengths, segments_of
from tests.engine.test_directions import as_given, build, initial
from tests.engine.test_recording import KINDS, D, H, draw
from tests.helpers.loops import agree, by_loop

T, B = 7, 5
LENGTHS = torch.tensor([3, 7, 1, 7, 4])
RESETS = torch.zeros(T, B, dtype=torch.bool)
RESETS[[2, 5, 0, 3, 4, 6], [1, 1, 2, 3, 3, 0]] = True  # the last one after its sample's end
SHAPES = {
    "plain": {},
    "both": {"bidirectional": True},
    "projected": {"proj_size": 3},
    "both, projected": {"bidirectional": True, "proj_size": 3},
}
CASES = [
    case for case in product(KINDS, SHAPES, (1, 2, 3), (True, False)) if case[0] == "lstm" or "projected" not in case[1]
]


def last_of_each(output):
    """Each sample's own last output, as a padded batch is read."""
    return output[LENGTHS - 1, torch.arange(B)].square()


LOSSES = {"every step": lambda output: output.sin(), "last": last_of_each}


@pytest.mark.parametrize(("kind", "shape", "layers", "bias"), CASES)
@pytest.mark.parametrize("start", ["zero", "given"])
def test_a_tape_of_unlike_lengths_equals_autograd(kind, shape, layers, bias, start):
    module, x = build(kind, layers, bias=bias, **SHAPES[shape]), draw(T, B, D)
    state = None if start == "zero" else initial(module, B)
    given = state and as_given(state)
    for name, direction in product(LOSSES, ["forward", "backward"][: 1 + module.bidirectional]):
        loss = LOSSES[name]
        wanted = by_loop(module, x, loss, state=state, lengths=LENGTHS, direction=direction)
        same = {"state": given, "direction": direction}
        padded = record(module, x, lambda output, loss=loss: loss(output).sum(), lengths=LENGTHS, **same)
        agree(padded, wanted)
        assert padded.lengths.tolist() == LENGTHS.tolist()
        packed = record(
            module, pack_padded_sequence(x, LENGTHS, enforce_sorted=False),
            lambda output, loss=loss: loss(pad_packed_sequence(output)[0]).sum(), **same,
        )  # fmt: skip
        assert packed == padded


@pytest.mark.parametrize(("kind", "shape"), [case[:2] for case in CASES if case[2:] == (1, True)])
@pytest.mark.parametrize("start", ["zero", "given"])
def test_a_tape_of_sequences_that_begin_anew_equals_autograd(kind, shape, start):
    for layers, lengths in ((1, None), (2, LENGTHS), (3, None)):
        module, x = build(kind, layers, **SHAPES[shape]), draw(T, B, D)
        state = None if start == "zero" else initial(module, B)
        for direction in ["forward", "backward"][: 1 + module.bidirectional]:
            tape = record(module, x, lambda output: output.sin().sum(), state=state and as_given(state),
                          lengths=lengths, resets=RESETS, direction=direction)  # fmt: skip
            agree(tape, by_loop(module, x, LOSSES["every step"], state=state, lengths=lengths, resets=RESETS,
                                direction=direction))  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_each_packed_sample_is_that_sample_alone(kind, direction):
    module, x = build(kind, 2, bidirectional=True), draw(T, B, D)
    together = record(module, pack_padded_sequence(x, LENGTHS, enforce_sorted=False), direction=direction)
    for b, length in enumerate(LENGTHS):
        alone = record(module, x[:length, b : b + 1], direction=direction)
        for name in ("hidden", "hidden_grad", "weight_grad", "input_grad"):
            axis = 1 if name == "input_grad" else 2
            of_sample = np.take(getattr(together, name), [b], axis + 1)
            found, rest = np.split(of_sample, [length], axis)
            wanted = getattr(alone, name)
            np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12 * np.abs(wanted).max())
            assert np.isnan(rest).all()


@pytest.mark.parametrize("sort", [True, False])
def test_the_loss_of_a_packed_batch_gets_what_the_module_returns(sort):
    lengths = LENGTHS.sort(descending=True).values if sort else LENGTHS
    module, x = build("lstm", 2, bidirectional=True, batch_first=True), draw(B, T, D)
    packed, seen = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=sort), []
    record(module, packed, lambda output: seen.append(output) or output.data.square().sum())
    wanted = module(packed)[0]
    assert isinstance(seen[0], PackedSequence)
    for found, part in zip(seen[0], wanted, strict=True):
        assert (found is None and part is None) or found.allclose(part, rtol=1e-12, atol=1e-14)


def test_packed_modules_together_are_each_alone():
    modules, x = [build("gru", 2, seed=s, bidirectional=True) for s in range(3)], draw(T, B, D)
    together = record(modules, x, lambda output: last_of_each(output).sum(), lengths=LENGTHS)
    for s, module in enumerate(modules):
        agree(together, by_loop(module, x, last_of_each, lengths=LENGTHS), s)


def test_padding_may_hold_anything_and_is_read_by_nobody():
    module, x = build("relu", 2), draw(T, B, D)
    wanted = record(module, x, lengths=LENGTHS)
    x[torch.arange(T)[:, None] >= LENGTHS] = torch.nan
    found = record(module, x, lambda output: (output.nan_to_num(7) ** 0).sum() + output[6].sum(), lengths=LENGTHS)
    np.testing.assert_array_equal(found.hidden, wanted.hidden)
    assert found.reads.any(0).tolist() == [False, True, False, True, False]  # the others' last output is padding
    with pytest.raises(ValueError, match=r"inputs: nan at \(1, 2, 0\)"):
        record(module, x)


def test_padding_after_the_longest_sample_is_padding():
    module, x = build("lstm", 2, bidirectional=True), draw(T, B, D)
    found, wanted = (
        record(module, x, lengths=[3] * B, direction="backward"),
        record(module, x[:3], direction="backward"),
    )
    assert found.hidden.shape == (1, 2, T, B, H)
    assert np.isnan(found.hidden[:, :, 3:]).all() and np.isnan(found.input_grad[:, 3:]).all()
    np.testing.assert_allclose(found.hidden_grad[:, :, :3], wanted.hidden_grad, rtol=0, atol=1e-14)
    np.testing.assert_allclose(gradient_decay(found).relative, gradient_decay(wanted).relative, rtol=1e-12)
    np.testing.assert_allclose(activation_bounds(found).hidden, activation_bounds(wanted).hidden, rtol=1e-12)


def test_one_sequence_has_a_length_and_resets_too():
    module, x = build("gru"), draw(T, 1, D)
    resets = np.arange(T) == 2
    alone = record(module, x[:, 0], lengths=[5], resets=resets)
    assert alone == record(module, x, lengths=[5], resets=resets[:, None])
    assert gradient_decay(alone).distance[-1] == 2


def test_packed_inputs_that_are_not_finite_are_refused_by_place():
    x = draw(T, B, D)
    x[0, 2, 1] = torch.inf
    packed = pack_padded_sequence(x, LENGTHS, enforce_sorted=False)
    row = packed.sorted_indices.tolist().index(2)
    with pytest.raises(ValueError, match=rf"inputs: inf at \({row}, 1\) \(row of the packed data, input\)"):
        record(nn.GRU(D, H), packed)


def test_a_batch_of_equal_lengths_is_a_plain_one():
    module, x = build("lstm"), draw(T, B, D)
    wanted = record(module, x)
    assert record(module, x, lengths=[T] * B) == record(module, x, resets=np.zeros((T, B))) == wanted
    assert record(module, pack_padded_sequence(x, [T] * B)) == wanted


@pytest.mark.parametrize(("at", "steps"), [(-1, [2, 6, 0, 6, 3]), (-2, [1, 5, None, 5, 2]), (3, [None, 3, None, 3, 3])])
def test_at_counts_in_each_sample(at, steps):
    module, x = build("gru"), draw(T, B, D)
    tape = record(module, x, lambda output: output.sin().sum(), at=at, lengths=LENGTHS)
    assert [b for b, step in enumerate(steps) if step is not None] == tape.reads.any(0).nonzero()[0].tolist()

    def loss(output):
        return sum(output[step, b].sin().sum() for b, step in enumerate(steps) if step is not None)

    agree(tape, by_loop(module, x, loss, lengths=LENGTHS))


def test_measures_count_no_padding():
    """The decay of a packed batch is that of its samples alone, as are its gates and bounds."""
    module, x = build("lstm", 1), draw(T, B, D)
    packed = record(module, x, lengths=LENGTHS)
    alone = [record(module, x[:length, b : b + 1]) for b, length in enumerate(LENGTHS)]
    for measure in (gradient_decay, carry_decay):
        found, each = measure(packed), [measure(tape).relative for tape in alone]
        np.testing.assert_array_equal(found.samples, [5, 4, 4, 3, 2, 2, 2])
        for k in range(T):
            wanted = np.median([curve[k] for curve in each if len(curve) > k])
            assert found.relative[k] == pytest.approx(wanted, rel=1e-9)
    assert gradient_decay(packed, of="weights").distance[-1] == T - 2  # a first step adds nothing to the weights
    for name, gate in gate_saturation(packed).items():
        own = [gate_saturation(tape)[name] for tape in alone]
        np.testing.assert_array_equal(gate.counts, sum(part.counts for part in own))
        assert gate.counts.sum() == LENGTHS.sum() * H
    bounds = activation_bounds(packed)
    assert bounds.overflow_step is None
    np.testing.assert_allclose(bounds.hidden[-1], np.nanmax(np.abs(packed.hidden[0, 0]), axis=(1, 2)))


def test_no_gradient_crosses_a_reset():
    module, x = build("lstm", 2), draw(T, B, D)
    tape = record(module, x, resets=RESETS)
    for b, first in enumerate([6, 5, 0, 4, 0]):
        assert (tape.input_grad[0, :first, b] == 0).all()
        assert (tape.input_grad[0, first:, b] != 0).all()
    found = gradient_decay(tape)
    np.testing.assert_array_equal(found.samples, [5, 4, 3, 2, 2, 2, 2])
    episode = record(module, x[5:, 1:2])
    np.testing.assert_allclose(tape.hidden_grad[:, :, 5:, 1], episode.hidden_grad[:, :, :, 0], rtol=0, atol=1e-15)


def test_segments_and_their_groups():
    segments = segments_of(LENGTHS, RESETS)
    assert segments.samples.tolist() == [0, 1, 1, 1, 2, 3, 3, 3, 4]
    assert segments.starts.tolist() == [0, 0, 2, 5, 0, 0, 3, 4, 0]
    assert segments.lengths.tolist() == [3, 2, 3, 2, 1, 3, 1, 3, 4]
    assert [group.tolist() for group in like_lengths(torch.tensor([20] * 3 + [500] + [20] * 60))] == [
        [3], [0, 1, 2, *range(4, 64)]
    ]  # fmt: skip
    assert len(like_lengths(torch.tensor([500, 499, 498]))) == 1
    lengths = torch.randint(1, 400, (200,), generator=torch.Generator().manual_seed(0))
    groups = like_lengths(lengths)
    assert sorted(torch.cat(groups).tolist()) == list(range(200))
    assert sum(int(lengths[group].max()) * len(group) for group in groups) < 0.8 * lengths.max() * 200


REFUSED = {
    "lengths": ({"lengths": [T] * (B - 1)}, r"lengths of shape \(4,\).*expected whole numbers \(5,\)"),
    "fractions": ({"lengths": [1.5] * B}, "lengths.*float32: expected whole numbers"),
    "nothing": ({"lengths": [0] + [T] * 4}, "lengths from 0 to 7: expected 1 to 7"),
    "too long": ({"lengths": [T + 1] * B}, "lengths from 8 to 8: expected 1 to 7"),
    "resets": ({"resets": torch.zeros(B, T)}, r"resets of shape \(5, 7\): expected \(7, 5\), \(time, batch\)"),
    "at": ({"lengths": [3] * B, "at": 3}, "at=3: expected -3 to 2 for 3 steps"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_is_named(case):
    settings, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        record(nn.GRU(D, H), torch.zeros(T, B, D), **settings)


def test_lengths_beside_packed_inputs_are_refused():
    with pytest.raises(ValueError, match="lengths beside packed inputs: expected None"):
        record(nn.GRU(D, H), pack_padded_sequence(torch.zeros(T, B, D), [T] * B), lengths=[T] * B)
