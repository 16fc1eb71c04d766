"""What Home says of the gradient that is left, and why more than all of it can be."""

from analysis.report.sentences.home import alike_sentence, gate_sentence, left_sentence, more_sentence
from tests.helpers.decays import decay


def left(share):
    """A decay that leaves this share two time steps back."""
    return decay(share**0.5, T=3)


def plain(text):
    return text.replace("\u00a0", " ")


def test_shares_are_written_alike_below_and_above_all():
    shares = {"rnn": left(1e-4), "lstm": left(1.62), "gru": left(250.0)}
    assert plain(left_sentence(shares)) == "2 time steps back, this is left: RNN < 0.1 %, LSTM 160 %, GRU ×250."


def test_more_than_all_is_explained_by_what_the_gates_alone_would_leave():
    gates = {"lstm": left(0.24), "gru": left(0.25)}
    assert more_sentence({"lstm": left(0.9), "gru": left(0.3)}, gates) == ""
    said = more_sentence({"rnn": left(3.0), "lstm": left(1.6), "gru": left(0.3)}, gates)
    assert "Through the gates alone LSTM 24 % would be left" in plain(said)
    assert more_sentence({"rnn": left(3.0)}, {}) == ""


def test_what_the_gates_keep():
    half = {"lstm": decay(0.5), "gru": decay(0.55)}
    assert "halves the memory" in gate_sentence(half) and "LSTM ×0.5, GRU ×0.55" in gate_sentence(half)
    assert gate_sentence({"lstm": decay(0.95)}) == "At every time step these gates keep LSTM ×0.95."
    assert gate_sentence({}) == ""


def test_lines_that_lie_on_one_another_are_said_to():
    assert alike_sentence({"rnn": decay(0.5), "lstm": decay(0.53)}).startswith("The lines lie nearly on one another")
    assert alike_sentence({"rnn": decay(0.5), "lstm": decay(0.9)}) == alike_sentence({"rnn": decay(0.5)}) == ""
