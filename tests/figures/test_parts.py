"""The pictures of a cell's parts: every number is the reading's, and the rows add up as they are named."""

import numpy as np
import pytest

from analysis.figures.parts import VIEWS, part
from tests.figures.test_cell import reading_of

WORD, UNIT = 2, 3


def drawn(name, view, **settings):
    reading = reading_of(name, **settings)
    return reading, [np.array(trace.y, float) for trace in part(reading, view, WORD, UNIT).data]


@pytest.mark.parametrize(("name", "gate"), [("lstm", "forget"), ("gru", "reset"), ("gru", "update")])
def test_a_gate_is_its_mean_over_units_by_word(name, gate):
    reading, (mean,) = drawn(name, gate)
    np.testing.assert_allclose(mean, reading.parts[gate].mean(1), rtol=1e-12)


def test_what_is_stored_is_how_much_of_what_to_store():
    reading, (proposal, share, stored) = drawn("lstm", "input")
    np.testing.assert_allclose(proposal, reading.parts["candidate"][WORD], rtol=1e-12)
    np.testing.assert_allclose(share, reading.parts["input"][WORD], rtol=1e-12)
    np.testing.assert_allclose(proposal * share, stored, rtol=1e-12)


def test_a_gru_takes_of_its_proposal_what_the_update_gate_replaces():
    reading, (proposal, share, stored) = drawn("gru", "candidate")
    np.testing.assert_allclose(share, 1 - reading.parts["update"][WORD], rtol=1e-12)
    np.testing.assert_allclose(proposal, reading.parts["candidate"][WORD], rtol=1e-12)
    np.testing.assert_allclose(proposal * share, stored, rtol=1e-12)


def test_the_cell_state_is_what_was_kept_and_what_is_stored():
    reading, (kept, stored, state) = drawn("lstm", "cell")
    np.testing.assert_allclose(kept + stored, state, rtol=1e-12)
    np.testing.assert_allclose(state, reading.parts["cell"][WORD], rtol=1e-12)


@pytest.mark.parametrize("activation", ["tanh", "identity"])
def test_the_output_gate_shows_its_share_of_one_unit(activation):
    reading, (state, squashed, shown, share) = drawn("lstm", "output", activation=activation)
    np.testing.assert_allclose(state, reading.parts["cell"][:, UNIT], rtol=1e-12)
    np.testing.assert_allclose(squashed, np.tanh(state) if activation == "tanh" else state, rtol=1e-12)
    np.testing.assert_allclose(share * squashed, shown, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", VIEWS)
def test_the_hidden_state_is_its_mean_size_by_word(name):
    reading, (size,) = drawn(name, "hidden")
    np.testing.assert_allclose(size, np.abs(reading.parts["hidden"]).mean(1), rtol=1e-12)


@pytest.mark.parametrize("name", VIEWS)
def test_what_leaves_floating_point_is_a_gap(name):
    for view in VIEWS[name]:
        reading = reading_of(name)
        for values in reading.parts.values():
            values[WORD, UNIT] = np.inf
        figure = part(reading, view, WORD, UNIT)
        assert any(np.isnan(np.array(trace.y, float)).any() for trace in figure.data)
        assert not any(np.isinf(np.array(trace.y, float)).any() for trace in figure.data)


def test_pictures_by_word_mark_the_word():
    for name, view in (("lstm", "forget"), ("lstm", "output"), ("rnn", "hidden")):
        figure = part(reading_of(name), view, WORD, UNIT)
        assert [mark.x0 for mark in figure.layout.shapes] == [WORD]
        assert figure.layout.xaxis.tickvals == (WORD,)
