"""The three recurrent cells and torch's module of each."""

from torch import nn

MODULES = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
CELLS = tuple(MODULES)


def one_direction(cell, module, inputs, direction):
    """A module with the weights of one direction of a bidirectional layer alone, and the inputs as that reads them."""
    reverse = direction == "backward"
    alone = MODULES[cell](module.input_size, module.hidden_size).to(module.weight_hh_l0)
    weights = module.state_dict().items()
    alone.load_state_dict({n.removesuffix("_reverse"): w for n, w in weights if n.endswith("_reverse") == reverse})
    return alone, inputs.flip(0) if reverse else inputs
