"""record and watch of layers in whole models that read both directions, packed batches, or project their state."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from analysis import gradient_decay, record, watch
from tests.helpers.models import WORDS
from tests.helpers.modules import CELLS, MODULES

pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections")  # torch's own path is a slow one
B, T, D = 5, 9, 6
LENGTHS = torch.tensor([4, 9, 2, 9, 7])
NAMES = "hidden", "hidden_grad", "cell", "cell_grad", "input_grad"


class Classifier(nn.Module):
    """The usual classifier of texts: an embedding, a packed layer of both directions, and h_n of its top layer."""

    def __init__(self, cell, layers=2, packed=True, **options):
        super().__init__()
        self.embedding = nn.Embedding(WORDS, D)
        self.rnn = MODULES[cell](D, 4, layers, batch_first=True, **{"bidirectional": True} | options)
        self.packed = packed
        units = options.get("proj_size", 4)
        self.readout = nn.Linear(units * (1 + self.rnn.bidirectional), 2)

    def forward(self, tokens, lengths):
        read = self.read(tokens, lengths)
        states = self.rnn(read)[1]
        last = states[0] if isinstance(self.rnn, nn.LSTM) else states
        return self.readout(torch.cat(list(last[-1 - self.rnn.bidirectional :]), -1))

    def read(self, tokens, lengths):
        read = self.embedding(tokens)
        return pack_padded_sequence(read, lengths, batch_first=True, enforce_sorted=False) if self.packed else read

    def from_output(self, output):
        """The same answer, from what the layer returns for each time step."""
        lengths = torch.full((B,), T)
        if self.packed:
            output, lengths = pad_packed_sequence(output, batch_first=True)
        P = self.readout.in_features // (1 + self.rnn.bidirectional)
        parts = [output[torch.arange(B), lengths - 1, :P]]
        return self.readout(torch.cat([*parts, output[:, 0, P:]], -1))


def loss(logits):
    return logits.logsumexp(-1)


VARIANTS = [
    *[(cell, packed, {}) for cell in CELLS for packed in (True, False)],
    ("lstm", True, {"proj_size": 3}),
    ("lstm", False, {"proj_size": 3, "bidirectional": False}),
    ("gru", True, {"bidirectional": False}),
]


@pytest.mark.parametrize(
    ("cell", "packed", "options", "direction"),
    [
        (*variant, direction)
        for variant in VARIANTS
        for direction in ("forward", "backward")
        if direction == "forward" or variant[2].get("bidirectional", True)
    ],
)
def test_a_classifier_equals_its_layer_alone(cell, packed, options, direction):
    """The layer alone is proved against autograd in tests of the engine; here its loss reads the output, not h_n."""
    model, tokens = Classifier(cell, packed=packed, **options).double(), torch.randint(WORDS, (B, T))
    tape = record(model, (tokens, LENGTHS), loss, direction=direction)
    with torch.no_grad():
        read = model.read(tokens, LENGTHS)
    wanted = record(model.rnn, read, lambda output: loss(model.from_output(output)), direction=direction)
    for name in NAMES:
        a, b = getattr(tape, name), getattr(wanted, name)
        if b is not None:
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-9 * np.nanmax(np.abs(b)))
    assert (tape.lengths == (LENGTHS.numpy() if packed else T)).all()


@pytest.mark.parametrize(("cell", "packed", "options"), VARIANTS)
def test_a_classifier_is_watched(cell, packed, options):
    model, tokens = Classifier(cell, packed=packed, **options), torch.randint(WORDS, (B, T))
    mask = torch.tensor([1.0, 0, 1, 1, 1])
    with watch(model, every=1, samples=3) as watched:
        (loss(model(tokens, LENGTHS)) * mask).sum().backward()
    places = [0, 2, 3]
    tape = record(model.double(), (tokens[places], LENGTHS[places]), loss, at=-1)
    [snapshot] = watched.history["rnn"]
    assert not watched.skipped["rnn"] and snapshot.sequences == 3
    np.testing.assert_allclose(snapshot.decay.norm, gradient_decay(tape).norm, rtol=1e-4)


@pytest.mark.parametrize("read", ["c_n", "h_n of a lower layer"])
def test_a_loss_that_reads_what_isnt_in_the_output_is_refused(read):
    class Ends(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = nn.LSTM(3, 4, 2, bidirectional=True)

        def forward(self, inputs):
            h, c = self.rnn(inputs)[1]
            return c[-1] if read == "c_n" else h[0]

    with pytest.raises(ValueError, match=f"the loss reads {read}: expected a layer of one direction"):
        record(Ends(), torch.randn(T, B, 3), lambda state: state.sum(-1))


def test_lengths_are_handed_on():
    model = nn.Sequential(nn.Embedding(WORDS, D), nn.GRU(D, 4, batch_first=True)).double()
    tokens = torch.randint(WORDS, (B, T))
    tape = record(model, tokens, lambda returned: returned[0].square().sum((1, 2)), lengths=LENGTHS)
    with torch.no_grad():
        read = model[0](tokens)
    wanted = record(model[1], read, lambda output: output.square().sum((1, 2)), lengths=LENGTHS)
    np.testing.assert_allclose(tape.hidden_grad, wanted.hidden_grad, rtol=0, atol=1e-12)
