"""Sentences on decays: what they say of the gradient, and what they leave unsaid."""

from dataclasses import replace

import numpy as np

from analysis import measure_untrained
from analysis.experiment import CELLS, Experiment
from analysis.measures.decay import decay_of_norms
from analysis.report.sentences.decay import carry_sentence, half_update_steps, untrained_sentence, update_sentence
from tests.helpers.decays import cut_decay, decay


def test_the_cells_of_the_lesson_reach_7_and_8_steps():
    decays = {cell: measure_untrained(Experiment(cell=cell)).decay for cell in CELLS}
    assert untrained_sentence(decays) == (
        "Before training, the learning signal falls below 1 % after 7 time steps in the RNN and after 8 in the LSTM "
        "and the GRU."
    )


def test_untrained_groups_cells_by_horizon():
    signal = "Before training, the learning signal"
    decays = {"rnn": decay(0.5), "lstm": decay(0.55), "gru": decay(0.55)}
    falls = "falls below 1 % after 6 time steps in the RNN and after 7 in the LSTM and the GRU"
    assert untrained_sentence(decays) == f"{signal} {falls}."
    stays = "stays above 1 % over all 29 time steps in the GRU"
    assert untrained_sentence(decays | {"lstm": decay(0.001), "gru": decay(0.99)}) == (
        f"{signal} falls below 1 % at once in the LSTM and after 6 time steps in the RNN and {stays}."
    )


def test_untrained_tells_whole_sequence_growth_and_nothing():
    assert untrained_sentence({"gru": decay(0.99)}) == (
        "Before training, the learning signal stays above 1 % over all 29 time steps in the GRU."
    )
    assert untrained_sentence({"rnn": decay(2.0, T=21)}) == "In the RNN the gradient grows ×1.05e6 over 20 time steps."


def test_untrained_tells_where_truncation_cuts():
    stays = (
        "Before training, the learning signal stays above 1 % over all 4 time steps that truncation leaves in the GRU."
    )
    assert untrained_sentence({"gru": cut_decay(0.9, 5)}) == stays
    assert untrained_sentence({"gru": cut_decay(2.0, 5)}) == "In the GRU the gradient grows ×16 over 4 time steps."


def test_untrained_says_what_can_not_be_measured_and_why():
    gone, zero = decay(np.nan), decay_of_norms(np.zeros((2, 30, 3)), "memory")
    finite = "the states or gradients leave the finite range"
    assert untrained_sentence({"rnn": gone}) == f"In the RNN no gradient can be measured: {finite}."
    assert untrained_sentence({"rnn": zero}) == "In the RNN no gradient can be measured: it is zero."
    assert untrained_sentence({"rnn": gone, "lstm": zero, "gru": decay(0.5)}) == (
        "Before training, the learning signal falls below 1 % after 6 time steps in the GRU. "
        f"In the RNN no gradient can be measured: {finite}. In the LSTM no gradient can be measured: it is zero."
    )
    assert untrained_sentence({"rnn": gone, "lstm": gone}).startswith("In the RNN and the LSTM no gradient")


def test_half_of_the_update():
    assert half_update_steps(decay(1.0, T=10)) == 5
    assert half_update_steps(decay(0.5)) == 1
    assert np.isnan(half_update_steps(decay(np.nan)))
    assert "RNN 1" in update_sentence({"rnn": decay(0.5)})
    assert "RNN (untrained) 1" in update_sentence({"rnn": decay(0.5)}, {"rnn": "untrained"})
    assert "sizes summed" in update_sentence({"rnn": decay(0.5)})
    assert update_sentence({"rnn": decay(np.nan)}) == ""
    assert update_sentence({"rnn": replace(decay(2.0), norm=np.full(30, 1e308))}) == ""  # whose sum is beyond


def test_carry_is_compared_with_the_gradient():
    said = carry_sentence("lstm", decay(0.9), decay(0.9, of="carry"))
    assert said == "29 time steps back, the forget gates alone account for 100 % of the gradient of the LSTM."
    assert carry_sentence("lstm", decay(0.9), decay(0.9), {"lstm": "untrained"}).endswith("of the LSTM (untrained).")
    said = carry_sentence("gru", decay(0.5, T=2), decay(0.25, T=2, of="carry"))
    assert said == "1 time step back, the update gates alone account for 50 % of the gradient of the GRU."
    said = carry_sentence("gru", decay(0.25, T=2), decay(0.5, T=2, of="carry"))
    assert said == "1 time step back, the update gates alone would bring 2 times the gradient of the GRU."
    assert carry_sentence("gru", decay(np.nan), decay(0.9)) == ""
    assert carry_sentence("gru", decay(1e-11), decay(1.0)) == ""  # a quotient beyond floating point
