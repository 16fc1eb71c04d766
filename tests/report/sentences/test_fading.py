"""What is left of the first word, in sentences whose numbers are the traces'."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.reading import Trace
from analysis.report.sentences import fading

WORDS = ("The", "cat", "*sat*", "down")


def trace(cell, factor, gate, T=4, reach=3):
    own = factor ** np.arange(float(T))
    distance = np.arange(reach)
    return Trace(
        cell=cell, words=WORDS[:T], known=np.ones(T, bool), seeds=4, sentences=6, own=own, distance=distance,
        relative=factor**distance, low=(0.9 * factor) ** distance, high=(1.1 * factor) ** distance,
        mean=np.full(T, gate),
    )  # fmt: skip


def traces(factors=(0.5, 0.99, 0.9), gates=(0.95, 0.94), T=4, reach=3, slope=0.83):
    return {
        cell: trace(cell, factor, gate, T, reach)
        for cell, factor, gate in zip(("rnn", "lstm", "gru"), factors, (slope, *gates), strict=True)
    }


def test_the_headline_says_why_with_the_numbers():
    assert fading.why_sentence(traces(), 2).replace("\u00a0", " ") == (
        "Each turn of the loop multiplies a change by the RNN's weights and by tanh's slope: together ×0.5. 2 turns "
        r"later, at “\*sat\*”, 25 % is left."
    )
    assert "1 turn later" in fading.why_sentence(traces(), 1)


def test_other_sentences_have_ranges_as_far_as_they_reach():
    assert fading.others_sentence(traces(), 2).replace("\u00a0", " ") == (
        "In those, as many turns later: RNN 20–30 %, LSTM 79–119 %, GRU 66–98 %."
    )
    assert fading.others_sentence(traces(), 3) == fading.others_sentence(traces(), 0) == ""


def test_the_first_word_and_a_single_word():
    assert fading.why_sentence(traces(), 0) == "The first word has just been read: all of it is there."
    single = traces(T=1)
    assert "Write a second one" in fading.why_sentence(single, 0)
    assert not fading.half_sentence(single) and not fading.gates_sentences(single, 0, "keeps")


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (1.026, "103 %"), (0.996, "100 %"), (0.784, "78 %"), (0.0423, "4.2 %"), (0.00062, "0.062 %"),
        (0.0001, "0.01 %"), (9e-5, "less than 0.01 %"), (0.0, "less than 0.01 %"),
    ],
)  # fmt: skip
def test_shares_have_two_digits(share, said):
    assert fading.describe_share(share).replace("\u00a0", " ") == said


def test_ranges_below_what_is_written_out():
    small = traces(factors=(1e-3, 0.99, 0.9))
    assert fading.describe_range(small["rnn"], 2) == "less than 0.01\u00a0%"
    half = replace(small["rnn"], low=np.full(3, 1e-6), high=np.full(3, 0.02))
    assert fading.describe_range(half, 2) == "0–2\u00a0%"


def test_how_long_half_lasts_is_at_least_where_the_sentence_ends_first():
    said = fading.half_sentence(traces(factors=(0.4, 0.99, 0.7)))
    assert said == (
        "More than half is left for less than one turn in the RNN, at least 3 turns in the LSTM and 1 turn in the GRU. "
        "“At least”: the sentence ends first."
    )
    assert "At least" not in fading.half_sentence(traces(factors=(0.4, 0.45, 0.7)))


@pytest.mark.parametrize(
    ("networks", "gates", "why"),
    [
        ("keeps", (0.95, 0.94), "to 0.95 (LSTM) and 0.94 (GRU): they alone would leave 86\u00a0% and 83\u00a0%."),
        (
            "starts",
            (0.5, 0.49),
            "at 0.50 (LSTM) and 0.49 (GRU): near ½, they alone would leave 12\u00a0%",
        ),
        ("trained", (0.83, 0.13), "to 0.83 (LSTM) and 0.13 (GRU) on average: but each number of the memory has a gate"),
    ],
)
def test_the_reason_follows_from_the_gates_and_who_set_them(networks, gates, why):
    said = fading.gates_sentences(traces(gates=gates), 3, networks)
    assert why in said
    assert "The LSTM has **97\u00a0%** left, the GRU **73\u00a0%**." in said
    assert "the rest is the weights" + (", which start small." if networks != "trained" else ".") in said


def test_a_flat_slope_is_said():
    said = fading.gates_sentences(traces(slope=0.2), 3, "trained")
    assert said.startswith("The slope is only 0.20 on average: most numbers of this RNN sit on tanh's flat ends.")


def test_what_grew_has_a_reason():
    assert "More than 100" not in fading.gates_sentences(traces(), 3, "keeps")
    assert "has grown on its way" in fading.gates_sentences(traces(factors=(0.5, 1.01, 0.9)), 3, "keeps")


def test_the_conclusion_is_of_those_that_forget():
    some = traces(factors=(0.4, 0.99, 0.9))
    assert "hard to teach the RNN to keep the first word: the memory of a" in fading.learning_sentences(some, "keeps")
    assert "didn't teach the RNN to keep the first one" in fading.learning_sentences(some, "trained")
    every = fading.learning_sentences(traces(factors=(0.4, 0.4, 0.4)), "starts")
    assert "the RNN, LSTM and GRU to keep" in every and "**vanishing gradient**" in every
    assert "goldfish" not in fading.learning_sentences(traces(), "keeps")


def test_more_than_half_unknown_is_warned_of_and_signs_do_not_count():
    first = replace(traces()["rnn"], words=("The", "cat", ",", "sat"))
    assert not fading.unknown_sentence(replace(first, known=np.array([True, False, False, True])))
    said = fading.unknown_sentence(replace(first, known=np.array([True, False, True, False])))
    assert "2 of these 3 words" in said
