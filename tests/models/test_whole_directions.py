"""A layer in a whole model is recorded as by a loop: both directions, packed, padded, projected, wrapped."""

from itertools import product

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from analysis import gradient_decay, record
from tests.helpers.loops import agree, by_loop

T, B, H = 6, 4, 5
LENGTHS = torch.tensor([6, 2, 4, 1])
KINDS = {"rnn": (nn.RNN, {}), "lstm": (nn.LSTM, {}), "gru": (nn.GRU, {}), "projected": (nn.LSTM, {"proj_size": 3})}


class Classifier(nn.Module):
    """Classify words by where both directions of packed sequences end."""

    def __init__(self, kind, packed=True):
        super().__init__()
        made, settings = KINDS[kind]
        self.packed = packed
        self.embedding = nn.Embedding(7, 3)
        self.rnn = made(3, H, 2, bidirectional=True, **settings)
        self.head = nn.Linear(2 * settings.get("proj_size", H), 3)

    def read(self, output):
        """The answers to outputs (T, B, ·)."""
        half = output.shape[-1] // 2
        ends = output[LENGTHS - 1, torch.arange(B), :half], output[0, :, half:]
        return self.head(torch.cat(ends, -1))

    def forward(self, words):
        vectors = self.embedding(words)
        if not self.packed:
            return self.read(self.rnn(vectors)[0])
        return self.read(
            pad_packed_sequence(self.rnn(pack_padded_sequence(vectors, LENGTHS, enforce_sorted=False))[0])[0]
        )


def loss_of(answers):
    return nn.functional.cross_entropy(answers, torch.tensor([0, 1, 2, 0]), reduction="none")


@pytest.mark.parametrize(("kind", "packed"), list(product(KINDS, (True, False))))
@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_a_classifier_of_words(kind, packed, direction):
    torch.manual_seed(0)
    model = Classifier(kind, packed).double()
    words = torch.randint(0, 7, (T, B))
    tape = record(model, words, loss_of, direction=direction)
    vectors = model.embedding(words).detach()
    agree(tape, by_loop(model.rnn, vectors, lambda output: loss_of(model.read(output)), direction=direction,
                        lengths=LENGTHS if packed else None))  # fmt: skip
    samples = gradient_decay(tape).samples
    assert samples.tolist() == ([4, 3, 2, 2, 1, 1] if packed or direction == "forward" else [4] * 6)
    wrapped = record(nn.DataParallel(model), words, loss_of, direction=direction)
    agree(tape, {name: getattr(wrapped, name)[0] for name in ("hidden", "hidden_grad", "input_grad")})


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_without_a_loss_the_end_of_the_direction_is_read(direction):
    torch.manual_seed(0)
    model, words = Classifier("gru").double(), torch.randint(0, 7, (T, B))
    packed = pack_padded_sequence(model.embedding(words), LENGTHS, enforce_sorted=False)
    found, wanted = (
        record(module, inputs, direction=direction) for module, inputs in ((model, words), (model.rnn, packed))
    )
    agree(found, {name: getattr(wanted, name)[0] for name in ("hidden", "hidden_grad", "input_grad")})
    assert (found.reads == wanted.reads).all()


def test_a_padded_batch_of_one_direction_is_aligned_by_sample():
    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = nn.GRU(3, H)

        def forward(self, x):
            return self.rnn(x)[0][LENGTHS - 1, torch.arange(B)]

    model, x = Last().double(), torch.randn(T, B, 3, dtype=torch.float64)
    found = gradient_decay(record(model, x, lambda last: last.sum()))
    wanted = gradient_decay(record(model.rnn, x, lambda output: output[LENGTHS - 1, torch.arange(B)].sum()))
    assert found.samples.tolist() == [4, 3, 2, 2, 1, 1]
    assert found.relative == pytest.approx(wanted.relative)
