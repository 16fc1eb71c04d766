"""The three recurrent cells and torch's module of each."""

from torch import nn

MODULES = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
CELLS = tuple(MODULES)
