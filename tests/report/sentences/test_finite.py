from dataclasses import replace

import numpy as np
import pytest

from analysis.reasons import Change
from analysis.report.sentences.finite import change_sentence, verdict, verdict_sentence

ONE = np.ones(3)


def change(state, tiny, right=1.0, chance=0.125, **more):
    moves = {"state": state * ONE, "state_low": state * ONE, "state_high": state * ONE}
    tinies = {"tiny": tiny * ONE, "tiny_low": tiny * ONE, "tiny_high": tiny * ONE}
    made = Change(
        what="symbol", distance=np.array([1, 5, 29]), classes=True, answer=ONE, right=right * ONE, chance=chance,
        **moves, **tinies,
    )  # fmt: skip
    return replace(made, **more)


CASES = [
    (change(1.4, 0.01), "outlasts", "tiny changes hardly reach it"),
    (change(1.4, 0.9), "together", "both come through"),
    (change(1.4, 0.01, right=0.2), "scrambled", "most answers don’t follow"),
    (change(1e-6, 1e-6, right=0.1), "fades", "Little of the change is left"),
    (change(np.nan, np.nan), "unknown", "not measurable"),
    (change(1e-3, 1e-6, right=0.2, state_high=ONE), "scrambled", "in nine of ten sequences"),
    (change(1.4, 0.01, np.nan, np.nan), "stays", "100 % of the answers change. The change lasts, though tiny changes"),
    (change(1.4, 0.9, np.nan, np.nan), "moves too", "both come through"),
    (change(1.4, 0.01, np.nan, np.nan, classes=False), "stays", "the answer changes by 1"),
    (change(1.4, 0.9, cut=5), "outlasts", "gradient is cut 5 time steps back; 100 % of the answers are right"),
    (change(1.4, 0.9, cut=30), "together", "both come through"),
    (change(1.4, 0.9, np.nan, np.nan, cut=1), "stays", "The change lasts, though truncation cuts the gradient"),
    (change(1.4, 0.01, np.nan, np.nan, answer=0 * ONE), "scrambled", "0 % of the answers change"),
    (change(0.0, 1e-20, right=0.1), "fades", "by less than rounding errors"),
    (change(1.4, 4e4, np.nan, np.nan, classes=False), "explodes", "may be chance"),
    (change(1.4, 4e4, np.nan, np.nan), "explodes", "may be chance"),
    (change(1.4, 4e4), "together", "both come through"),
    (change(1e-6, 1e-6, np.nan, np.nan, classes=False), "fades", "the answer changes by 1"),
]


@pytest.mark.parametrize("found, kind, words", CASES)
def test_each_case_is_told_apart_and_said(found, kind, words):
    assert verdict(found) == kind
    sentence = change_sentence("lstm", found, {})
    assert sentence.startswith("LSTM: ") and words in sentence


@pytest.mark.parametrize("kind", ["stays", "moves too", "explodes"])
def test_memory_is_claimed_only_where_right_answers_are_known(kind):
    found = next(case for case, found, _ in CASES if found == kind)
    assert "memory outlasts" not in verdict_sentence({"gru": found}, {}) and not np.isfinite(found.chance)


def test_the_verdict_names_cells_and_their_states():
    changes = {"rnn": CASES[2][0], "lstm": CASES[0][0], "gru": CASES[0][0]}
    assert verdict_sentence(changes, {}) == (
        "29 time steps back: in the LSTM and the GRU memory outlasts the gradient. "
        "In the RNN a change moves the state, but most answers don’t follow: that alone is no memory."
    )
    named = verdict_sentence(changes, dict.fromkeys(changes, "trained"))
    assert "the RNN (trained)" in named
    assert verdict_sentence({"rnn": CASES[4][0]}, {}) == ""
