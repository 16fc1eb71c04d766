"""What is said of a part at a word holds the reading's numbers."""

import numpy as np
import pytest

from analysis.report.sentences.parts import carried_sentence, part_sentence
from tests.helpers.readings import reading_of, words_experiment


def reading(name, **parts):
    """A reading of three words, with these numbers of two units at the second one."""
    found = reading_of(words_experiment(name, hidden_size=2), "the list is")
    for part, values in parts.items():
        found.parts[part][1] = values
    return found


@pytest.mark.parametrize(
    ("cell", "view", "parts", "said"),
    [
        ("lstm", "forget", {"forget": [0.9, 0.41]},
         "it keeps 66 % of the old memory on average; least in unit 2, 41 %."),
        ("gru", "update", {"update": [0.2, 0.4]}, "it keeps 30 % of the old state on average; least in unit 1, 20 %."),
        ("gru", "reset", {"reset": [1.0, 0.5]}, "it lets 75 % of the past join in on average; least in unit 2, 50 %."),
        ("lstm", "input", {"input": [0.2, 0.6], "stored": [0.1, -0.3]},
         "it lets in 40 % of the proposal on average; most is stored in unit 2, −0.3."),
        ("gru", "candidate", {"update": [0.2, 0.6], "stored": [-0.5, 0.3]},
         "it lets in 60 % of the proposal on average; most is stored in unit 1, −0.5."),
        ("lstm", "output", {"output": [0.5, 0.3], "cell": [7.0, 2.5], "hidden": [0.1, 0.25]},
         "it shows 40 % of the memory on average; unit 2 holds 2.5 and shows 0.25."),
    ],
)  # fmt: skip
def test_a_gate_at_a_word(cell, view, parts, said):
    assert part_sentence(reading(cell, **parts), view, 1, 1).replace("\u00a0", " ") == f"At “list” {said}"


@pytest.mark.parametrize(
    ("cell", "state"), [("lstm", "cell"), ("lstm", "hidden"), ("gru", "hidden"), ("rnn", "hidden")]
)
def test_the_largest_number_of_a_state(cell, state):
    said = part_sentence(reading(cell, **{state: [0.25, -0.75]}), state, 1, 0)
    assert said == "After “list” its number farthest from 0 is −0.75, in unit 2."


def test_a_number_that_tanh_only_comes_near_to_is_almost_1():
    said = part_sentence(reading("gru", hidden=[0.25, -0.9999]), "hidden", 1, 0)
    assert said == "After “list” its number farthest from 0 is almost −1, in unit 2."
    assert "farthest from 0 is −1, in" in part_sentence(reading("lstm", cell=[0.25, -1.0]), "cell", 1, 0)


def test_a_gate_held_at_one_value_keeps_as_much_everywhere():
    found = reading("lstm")
    found.parts["forget"][:] = 0.9
    assert carried_sentence(found, 2).replace("\u00a0", " ") == (
        "From “the” to “is” the forget gate kept 81 % in every unit."
    )


def test_what_the_forget_gate_kept_since_the_first_word():
    found = reading("lstm")
    found.parts["forget"][:] = np.array([[0.0, 0.0], [0.5, 0.9], [0.4, 0.8]])  # that at the first word is left out
    assert carried_sentence(found, 2).replace("\u00a0", " ") == (
        "From “the” to “is” the forget gate kept 72 % in unit 2, and 46 % in the median unit."
    )
    assert carried_sentence(found, 0) == "“the” has just been read: nothing had to be kept yet."
