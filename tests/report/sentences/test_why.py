from dataclasses import replace

import numpy as np

from analysis.reasons import GradientMatrix, SingularValues, Spectrum, StepFactors, UpdateShares
from analysis.report.sentences.why import (
    directions_sentence,
    exponents_sentence,
    factors_sentence,
    matrix_sentence,
    updates_sentence,
)


def matrix(factor, T=30):
    return GradientMatrix(0, np.eye(T), np.power(factor, np.arange(T))[None])


def test_a_matrix_is_told_by_its_factor_and_what_ten_and_all_steps_leave():
    assert matrix_sentence({"rnn": matrix(0.5), "gru": matrix(1.2)}, {"gru": "untrained"}) == (
        "On its way back the gradient is multiplied at every time step: over 10 steps on average by ×0.5 in the RNN "
        "and ×1.2 in the GRU (untrained). That leaves 0.0977 % and ×6.19; after 29 steps 1.86e−7 % and ×198."
    )
    assert matrix_sentence({"rnn": matrix(0.5, T=2)}).endswith("one step back by ×0.5 in the RNN. That leaves 50 %.")
    assert matrix_sentence({"rnn": matrix(np.nan)}) == ""
    assert matrix_sentence({"rnn": matrix(0.0)}) == "No gradient comes back, not even by one time step."
    cut = GradientMatrix(0, np.eye(30), np.where(np.arange(30) < 5, 0.5 ** np.arange(30), 0)[None])
    assert "over 4 steps on average by ×0.5 in the RNN. That leaves 6.25 %." in matrix_sentence({"rnn": cut})
    assert "LSTM" in matrix_sentence({"rnn": matrix(0.0), "lstm": matrix(0.5)})


def test_updates_are_told_by_their_half():
    one = UpdateShares(np.array([[0.6, 0.4, 0.0]]))
    several = UpdateShares(np.array([[0.6, 0.4, 0.0], [0.1, 0.1, 0.8], [0.2, 0.7, 0.1]]))
    unknown = UpdateShares(np.full((1, 3), np.nan))
    assert updates_sentence({"rnn": one, "lstm": several, "gru": unknown}) == (
        "Half of the update of the recurrent weights comes from the last time step in the RNN and the last 2 in the "
        "LSTM (seeds: 1 to 3)."
    )
    assert updates_sentence({"gru": unknown}) == ""


def test_exponents_are_told_by_the_largest_and_how_many_grow():
    fading = Spectrum(np.log([[0.5, 0.1]]), np.zeros((1, 2)))
    growing = Spectrum(np.log([[2.0, 0.1]]), np.zeros((1, 2)))
    assert exponents_sentence({"rnn": fading, "lstm": growing}, {"rnn": "trained"}) == (
        "The direction that fades least keeps, each time step, ×0.5 in the RNN (trained); ×2 in the LSTM, 1 of 2 grow."
    )
    assert "grow" not in exponents_sentence({"rnn": Spectrum(np.array([[2e-16, 1e-16]]), np.zeros((1, 2)))})
    lost = Spectrum(np.array([[-np.inf], [-np.inf], [-1.0], [np.nan]]), np.zeros((4, 1)))
    assert "×0 (0–0.368) in the RNN" in exponents_sentence({"rnn": lost})
    assert exponents_sentence({"rnn": Spectrum(np.full((1, 2), np.nan), np.zeros((1, 2)))}) == ""


def test_directions_are_told_by_how_many_survive():
    distance = np.array([0, 4, 9])
    alive = SingularValues(distance, np.array([[1.0, 1.0], [1.0, 0.1], [0.9, 0.001]]))
    dead = SingularValues(distance, np.array([[1.0, 1.0], [0.009, 0.001], [1e-5, 1e-9]]))
    unknown = SingularValues(distance, np.full((3, 2), np.nan))
    states = {"lstm": "trained"}
    assert directions_sentence("lstm", alive, states) == (
        "LSTM (trained): 9 time steps back, 1 of 2 directions still keeps 1 % or more."
    )
    assert directions_sentence("rnn", dead) == "RNN: 4 time steps back, none of 2 directions keeps 1 % any more."
    one = directions_sentence("rnn", SingularValues(distance, dead.values[:, :1]))
    assert one == "RNN: 4 time steps back, its only direction keeps less than 1 %."
    assert directions_sentence("gru", unknown) == ""
    cut = SingularValues(distance, alive.values, cut=10)
    assert directions_sentence("gru", cut).endswith("still keeps 1 % or more; further back truncation leaves nothing.")
    none = SingularValues(distance[:1], alive.values[:1], cut=1)
    assert "no direction survives: truncation’s last window" in directions_sentence("gru", none)


def test_factors_are_told_on_average_and_at_their_worst():
    gates, weights = np.array([0.5, 0.25]), np.array([1.0, 1.0])
    found = StepFactors("forget gate", np.array([1, 2]), gates * weights, gates, weights, {})
    assert factors_sentence("lstm", found) == (
        "LSTM: in this sequence a time step leaves ×0.354 (forget gate ×0.354, recurrent weights ×1) on average. "
        "Most is lost at time step 2, which leaves ×0.25 (forget gate ×0.25, recurrent weights ×1)."
    )
    grows = StepFactors("tanh", np.array([1, 2]), 3 * weights, weights, 3 * weights, {})
    assert "None is lost; time step 1 leaves least, ×3 (tanh ×1, recurrent weights ×3)." in factors_sentence(
        "rnn", grows
    )
    ends = StepFactors("relu", np.arange(1, 4), *([np.array([np.nan, 0.5, 0.5])] * 3), {})
    assert factors_sentence("rnn", ends).endswith("Nothing that can be measured comes back beyond time step 1.")
    nothing = np.full(2, np.nan)
    lost = StepFactors("tanh", np.array([1, 2]), nothing, nothing, nothing, {})
    assert "it is zero, or leaves the finite range" in factors_sentence("rnn", lost)
    assert "last window is a single time step" in factors_sentence("rnn", replace(lost, cut=1))
    assert factors_sentence("rnn", replace(ends, cut=2)).endswith(
        "Truncation lets nothing come back beyond time step 1."
    )
