"""Models of public shape that hold recurrent layers: a language model, a translator, an audio classifier."""

import torch
from torch import nn

WORDS = 11


class LanguageModel(nn.Module):
    """The next word at every time step; the readout's weights are those of the embedding."""

    def __init__(self, cell=nn.LSTM, size=6, layers=1, dropout=0.0, **options):
        super().__init__()
        self.embedding = nn.Embedding(WORDS, size)
        self.dropout = nn.Dropout(dropout)
        self.rnn = cell(size, size, layers, batch_first=True, **options)
        self.readout = nn.Linear(size, WORDS)
        self.readout.weight = self.embedding.weight

    def forward(self, tokens, state=None):
        return self.read(tokens, state)[0]

    def read(self, tokens, state=None):
        """Return the next words' logits and the state, which truncated backpropagation hands on."""
        output, state = self.rnn(self.dropout(self.embedding(tokens)), state)
        return self.readout(output), state


class Translator(nn.Module):
    """An encoder, and a decoder that attends to all of the encoder's states; called with source and target."""

    def __init__(self, cell=nn.GRU, size=6):
        super().__init__()
        self.embedding = nn.Embedding(WORDS, size)
        self.encoder = nn.ModuleDict({"rnn": cell(size, size, 2, batch_first=True)})
        self.decoder = cell(size, size, 2, batch_first=True)
        self.attention = nn.MultiheadAttention(size, 2, batch_first=True)
        self.readout = nn.Linear(2 * size, WORDS)

    def forward(self, source, target):
        states, last = self.encoder["rnn"](self.embedding(source))
        output, _ = self.decoder(self.embedding(target), last)
        context, _ = self.attention(output, states, states)
        return self.readout(torch.cat([output, context], -1))


class Listener(nn.Module):
    """A convolution with batch norm in front, attention on top; it keeps its last state."""

    def __init__(self, cell=nn.LSTM, size=6):
        super().__init__()
        self.convolution = nn.Conv1d(3, size, 3, padding=1)
        self.norm = nn.BatchNorm1d(size)
        self.rnn = cell(size, size, batch_first=True)
        self.score = nn.Linear(size, 1)
        self.readout = nn.Linear(size, 2)
        self.kept = [None]

    def forward(self, sound):
        read = self.norm(self.convolution(sound.mT)).relu().mT
        output, state = self.rnn(read)
        self.kept[0] = self.last = state
        return self.readout((self.score(output).softmax(1) * output).sum(1))
