"""What runs say of a choice between cells: no more than their seeds tell."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.experiment import SETTINGS, TASKS, Experiment
from analysis.history.shipped import load_shipped
from analysis.language import in_language
from analysis.report.sentences import choice
from tests.helpers.decays import run

SIZES = {"rnn": 1672, "lstm": 5896, "gru": 4488}
GOOD, BAD, GUESS = [0.9, 1.0], [0.3, 0.4], [0.125, 0.13]


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        ({"rnn": BAD, "lstm": GOOD}, "Take the LSTM for this task: each of its 2 networks beat every one of the RNN."),
        (
            {"rnn": BAD, "lstm": GOOD, "gru": [0.5, 0.6]},
            "Take the LSTM for this task: each of its 2 networks beat every one of the RNN and GRU.",
        ),
        (
            {"rnn": BAD, "lstm": GOOD, "gru": [1.0, 1.0]},
            "Take the GRU for this task: it does as well as the LSTM, and has fewer numbers to learn. The RNN did "
            "worse.",
        ),
        (
            {"rnn": GOOD, "gru": [0.8, 0.95]},
            "Take the RNN for this task: it does as well as the GRU, and has fewer numbers to learn.",
        ),
        ({"rnn": BAD[:1], "gru": GOOD[:1]}, "The GRU did best here, but one network of each kind says little."),
        (
            {"rnn": [0.9], "lstm": [0.95], "gru": [0.93]},
            "Take the RNN for this task: it does as well as the LSTM and GRU, and has fewer numbers to learn.",
        ),
        ({"rnn": GUESS, "gru": GUESS}, "None of them has learned this task: all stayed at chance."),
        ({"gru": GOOD}, "Only the GRU has been trained on this."),
        ({"rnn": [0.9, np.nan], "gru": GOOD}, "No clear winner here: some of these models left the range"),
        ({"rnn": [np.nan, np.nan]}, "No clear winner here: some of these models left the range"),
    ],
)
def test_the_sentence_follows_from_the_seeds(metrics, said):
    runs = {cell: replace(run(cell, metric), timing={"parameters": SIZES[cell]}) for cell, metric in metrics.items()}
    assert choice.choice_sentence(runs).startswith(said)


def test_a_smaller_error_is_better():
    runs = {
        cell: run(cell, metric, chance=1 / 6, metric_name="mse")
        for cell, metric in (("rnn", [0.15, 0.16]), ("gru", [0.01, 0.02]))
    }
    assert choice.choice_sentence(runs).startswith("Take the GRU for this task: each of")


def test_a_group_is_named_by_its_task_and_what_is_not_a_default():
    plain = choice.describe_group(Experiment(), ["rnn", "lstm"])
    assert plain == "Recall: one symbol among others, to be named at the end, 30 time steps: RNN and LSTM"
    changed = Experiment(task="adding", length=20, hidden_size=8, forget_bias=1.0, snapshot_every=5)
    assert choice.describe_group(changed, ["rnn", "lstm", "gru"]).endswith(
        "20 time steps: RNN, LSTM and GRU, Hidden size 8, Forget bias 1.0"
    )
    assert choice.describe_group(Experiment(), ["gru"]).endswith(": GRU")
    words = Experiment(task="words", text_file="chinese", seeds=1)
    with in_language("zh"):
        assert choice.describe_group(words, ["gru"]).endswith("GRU，中文文章，每种各 1 个网络")


def test_every_task_has_a_name_and_is_described():
    assert [*choice.TASKS] == [*choice.STORIES] == [*TASKS] and {*choice.NAMED} <= {*SETTINGS}
    assert "has to remember it for up to 19 steps" in choice.task_sentence(Experiment(length=20))


def remembering(spans, parameters=(1672, 5896, 4488)):
    """Runs of three cells with these memory spans and parameters."""
    runs = {}
    for cell, span, count in zip(("rnn", "lstm", "gru"), spans, parameters, strict=True):
        memory = replace(load_shipped("recall-rnn").memory, span=span)
        runs[cell] = replace(run(cell, GOOD), memory=memory, timing={"parameters": count})
    return runs


def test_the_rule_of_thumb_follows_from_the_memory_spans():
    said = choice.rule_sentences(remembering((1.0, 29.0, 29.0)))
    assert said.startswith("If what matters lies farther back than an RNN remembers (here 1 time step), take an LSTM ")
    assert said.endswith("Of these two try the smaller first, the GRU.")
    assert "remember no farther back than the RNN (5 time steps)" in choice.rule_sentences(remembering((5.0, 5.0, 2.0)))
    assert "nearly all hangs on the last one" in choice.rule_sentences(remembering((0.0, np.nan, np.nan)))
    assert "try the smaller" not in choice.rule_sentences(remembering((1.0, 9.0, 9.0), (10, 20, 30)))


def test_no_rule_without_both_kinds_of_cells():
    runs = remembering((1.0, 29.0, 29.0))
    assert choice.rule_sentences({"rnn": runs["rnn"]}) == ""
    assert choice.rule_sentences({"lstm": runs["lstm"], "gru": runs["gru"]}) == ""
    assert "try the smaller" not in choice.rule_sentences({"rnn": runs["rnn"], "gru": runs["gru"]})


def test_the_lesson_is_summed_up_with_its_numbers():
    said = choice.recap_sentence(0.494, 0.25)
    for number in ("×0.494", "25\u00a0%"):
        assert number in said
