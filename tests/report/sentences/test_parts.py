"""What is said of a part at a word holds the reading's numbers."""

import numpy as np
import pytest

from analysis.report.sentences.parts import carried_sentence, headline_sentence, part_sentence
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
         "it keeps 66 % of the old on average: 41 % in unit 2, 90 % in unit 1."),
        ("gru", "update", {"update": [0.2, 0.4]},
         "it keeps 30 % of the old on average: 20 % in unit 1, 40 % in unit 2."),
        ("gru", "reset", {"reset": [1.0, 0.5]},
         "it lets 75 % of the past join in on average: 50 % in unit 2, 100 % in unit 1."),
        ("lstm", "input", {"input": [0.2, 0.6], "stored": [0.1, -0.3]},
         "it lets in 40 % of the proposal on average; most is stored in unit 2, −0.3."),
        ("gru", "candidate", {"update": [0.2, 0.6], "stored": [-0.5, 0.3]},
         "it lets in 60 % of the proposal on average; most is stored in unit 1, −0.5."),
        ("lstm", "output",
         {"output": [0.5, 0.3], "cell": [7.0, 2.5], "squashed": [0.9999, 0.83], "hidden": [0.1, 0.25]},
         "it shows 40 % on average. Unit 2 holds 2.5, through tanh 0.83: 30 % of that is shown, 0.25."),
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


def test_nothing_old_is_kept_at_the_first_word():
    assert part_sentence(reading("lstm"), "forget", 0, 0) == "“the” is the first word: there is nothing old yet."


@pytest.mark.parametrize(
    ("view", "said"),
    [
        ("input", "Input gate: how much of the proposal is stored. At “list”: 35 % on average."),
        ("output", "Output gate: how much of the memory is shown. At “list”: 45 % on average; the rest waits."),
        ("cell", "Cell state: the long memory. After “list” its numbers go from −2.5 to 4."),
        ("hidden", "Hidden state: what is shown of the memory. After “list” its numbers go from −0.5 to almost 1."),
    ],
)
def test_the_headline_is_of_the_part_that_is_explained(view, said):
    found = reading("lstm", input=[0.2, 0.5], output=[0.5, 0.4], cell=[4.0, -2.5], hidden=[0.9999, -0.5])
    assert headline_sentence(found, view, 1).replace("\u00a0", " ") == said
    assert headline_sentence(found, "forget", 1) == carried_sentence(found, 1)


def test_what_the_forget_gate_kept_since_the_first_word():
    found = reading("lstm")
    found.parts["forget"][:] = np.array([[0.0, 0.0], [0.5, 0.9], [0.4, 0.8]])  # that at the first word is left out
    assert carried_sentence(found, 2).replace("\u00a0", " ") == (
        "Forget gate: how much of the long memory stays. At “is”: 60 %. Since “the”, half the units kept 46 % or more."
    )
    assert "70\u00a0% or more" in carried_sentence(found, 1)
    assert carried_sentence(found, 0) == "“the” has just been read: nothing had to be kept yet."
