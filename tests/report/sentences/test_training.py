"""Sentences on trained cells: what they claim, and what they don't."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.experiment import Experiment
from analysis.report.sentences.training import (
    compare_cells,
    explain_horizon_and_span,
    has_not_learned,
    shipped_sentence,
    start_sentence,
    stayed_at_chance,
    training_sentence,
)
from analysis.results import Memory
from tests.helpers.decays import decay, run


def test_what_is_remembered_names_its_threshold():
    memory = Memory("symbol", "accuracy", *[np.zeros(1)] * 4, np.zeros((2, 1)), 0.125, 3.0, np.zeros(2))
    before, after = (replace(decay(0.5), threshold=0.1, horizons=np.array([k, 9.0])) for k in (5.0, 6.0))
    said = training_sentence("gru", replace(run("gru", [0.5, 0.75]), memory=memory), before, after)
    assert said == (
        "GRU: accuracy 0.625 (0.5–0.75), chance 0.125; memory span 3 time steps; horizon at 10 % 6 (6–9), was 6."
    )


@pytest.mark.parametrize(
    ("kind", "span", "marks"),
    [
        (
            "symbol",
            "the furthest distance of its training at which its accuracy is above halfway from chance to 1.",
            "distances that its training never had",
        ),
        (
            "window",
            "the time steps before the last that it must see to answer better than midway between chance and its best.",
            "it starts in the middle",
        ),
    ],
)
def test_horizon_and_memory_span_are_explained(kind, span, marks):
    memory = Memory(kind, "accuracy", *[np.zeros(2)] * 4, np.zeros((1, 2)), 0.125, 3.0, np.zeros(1))
    said, marked, all_trained = (
        explain_horizon_and_span(replace(run("gru", [0.5]), memory=replace(memory, trained=trained)), 0.1)
        for trained in (None, np.array([False, True]), np.ones(2, bool))
    )
    assert said.startswith(
        "Horizon: how far back a small change can still be taught now (10 % of the gradient is left). "
    )
    assert f" Memory span: how far back its answers depend on what it read, {span}" in said
    assert said == all_trained and "Open marks" not in said
    assert marked.startswith(f"{said} Open marks: {marks}")


def test_a_network_at_chance_does_not_look_as_if_it_remembered():
    nothing = np.full(2, np.nan)
    memory = Memory("symbol", "accuracy", *[np.zeros(1)] * 4, np.zeros((2, 1)), 0.125, np.nan, nothing)
    said = training_sentence("rnn", replace(run("rnn", [0.12, 0.13]), memory=memory), decay(0.5), decay(0.95))
    metric = "accuracy 0.125 (0.12–0.13), chance 0.125"
    assert said == f"RNN, not learned yet: {metric}; memory span none; horizon ≥ 29, was 6."


def test_what_is_remembered_counts_the_models_that_diverged():
    memory = Memory("symbol", "accuracy", *[np.zeros(1)] * 4, np.zeros((2, 1)), 0.125, 3.0, np.zeros(2))
    some, all_ = (replace(run("gru", metric), memory=memory) for metric in ([0.5, np.nan], [np.nan, np.nan]))
    said = training_sentence("gru", some, decay(0.5), decay(0.5))
    assert said.startswith("GRU, mostly wrong: accuracy 0.5, chance 0.125; memory span 3 time steps; horizon 6, ")
    assert said.endswith("; 1 of 2 models diverged.")
    assert training_sentence("gru", all_, decay(0.5), decay(np.nan)) == "GRU: 2 of 2 models diverged."


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        (
            {"rnn": [0.2, 0.3], "lstm": [0.9, 1.0]},
            "s the LSTM did best: each of its 2 seeds beat every seed of the RNN.",
        ),
        (
            {"rnn": [0.2, 0.95], "lstm": [0.9, 1.0]},
            "no clear winner: the seeds of the RNN overlap those of the LSTM (2",
        ),
        ({"rnn": [0.12, 0.13], "lstm": [0.12, 0.12]}, "None has learned it yet: all stayed at chance."),
        ({"rnn": [0.2], "lstm": [0.9]}, "one seed each says little"),
        ({"rnn": [0.2, 0.3]}, ""),
        ({"rnn": [0.2, 0.3], "gru": [np.nan, np.nan]}, "No comparison. GRU: 2 of 2 models diverged."),
        ({"rnn": [0.9, np.nan], "gru": [0.5, 0.5]}, "No clear winner. RNN: 1 of 2 models diverged."),
        ({"rnn": [0.9, 1.0], "lstm": [0.2, 0.2], "gru": [np.nan] * 2}, "No clear winner. GRU: 2 of 2 models diverged."),
        ({"gru": [np.nan, np.nan]}, ""),
    ],
)
def test_which_cell_claims_no_more_than_the_ranges(metrics, said):
    sentence = compare_cells({cell: run(cell, values) for cell, values in metrics.items()})
    assert said in sentence
    assert bool(sentence) == bool(said)


def test_which_cell_where_less_is_better():
    runs = {cell: run(cell, m, 1 / 6, "mse") for cell, m in {"rnn": [0.16, 0.17], "gru": [0.01, 0.02]}.items()}
    assert compare_cells(runs).endswith(" updates the GRU did best: each of its 2 seeds beat every seed of the RNN.")


def test_chance():
    assert stayed_at_chance(run("gru", [0.13, 0.12]))
    assert stayed_at_chance(run("gru", [np.nan]))
    assert not stayed_at_chance(run("gru", [0.13, 0.5]))
    assert stayed_at_chance(run("gru", [0.166], 1 / 6, "mse"))
    assert not stayed_at_chance(run("gru", [0.1], 1 / 6, "mse"))
    assert stayed_at_chance(run("gru", [0.0], 0.0, "nats per character"))  # where chance is perfect


def test_a_run_has_learned_where_the_median_of_its_models_has():
    assert has_not_learned(run("gru", [0.13, 0.12, 0.13, 0.9]))  # one seed of four left chance
    assert not has_not_learned(run("gru", [0.13, 0.9, 0.9, 0.9]))
    assert not has_not_learned(run("gru", [np.nan, np.nan, 0.9]))  # of those that did not diverge
    assert has_not_learned(run("gru", [np.nan, np.nan]))
    assert has_not_learned(run("gru", [0.1, 0.16, 0.17], 1 / 6, "mse"))
    assert not has_not_learned(run("gru", [0.1, 0.1, 0.17], 1 / 6, "mse"))


def test_cells_that_overlap_the_best_alone_are_not_said_to_overlap_each_other():
    runs = {
        "rnn": run("rnn", [0.62, 0.96, 1]),
        "lstm": run("lstm", [0.85, 0.9, 0.95]),
        "gru": run("gru", [0.5, 0.55, 0.63]),
    }
    said = " no clear winner: the seeds of the LSTM and the GRU overlap those of the RNN (3 seeds each)."
    assert compare_cells(runs).endswith(said)


def test_cells_that_all_overlap_did_equally_well():
    runs = {"rnn": run("rnn", [0.2, 0.3]), "lstm": run("lstm", [0.9, 1.0]), "gru": run("gru", [0.95, 1.0])}
    assert compare_cells(runs).endswith(" updates GRU and LSTM did equally well (2 seeds each); the RNN did worse.")


@pytest.mark.parametrize(
    ("metric", "chance", "name", "mark"),
    [
        ([0.13, 0.12], 0.125, "accuracy", ", not learned yet"),
        ([0.3, 0.4], 0.125, "accuracy", ", mostly wrong"),
        ([0.6, 0.7], 0.125, "accuracy", ""),
        ([0.15, 0.14], 1 / 6, "mse", ", mostly wrong"),
        ([0.01, 0.02], 1 / 6, "mse", ""),
    ],
)
def test_a_cell_that_fails_is_marked_whatever_its_horizon(metric, chance, name, mark):
    memory = Memory("symbol", name, *[np.zeros(1)] * 4, np.zeros((2, 1)), chance, 3.0, np.zeros(2))
    failing = replace(run("rnn", metric, chance, name), memory=memory)
    assert training_sentence("rnn", failing, decay(0.5), decay(0.99)).startswith(f"RNN{mark}: {name} ")


def test_no_text_is_mostly_wrong():
    memory = Memory("window", "nats per character", *[np.zeros(1)] * 4, np.zeros((2, 1)), 3.2, 3.0, np.zeros(2))
    prose = replace(run("gru", [2.0], 3.2, memory.metric_name), experiment=Experiment(task="text"), memory=memory)
    assert training_sentence("gru", prose, decay(0.5), decay(0.5)).startswith("GRU: nats per character 2, ")


def test_the_start_of_the_cells_is_named():
    runs = {"rnn": run("rnn", [0.2]), "gru": run("gru", [0.9])}
    assert "as torch starts them" in start_sentence(runs)
    own = Experiment(cell="gru", init="orthogonal", gain=1.5, forget_bias=2.0)
    other = {"rnn": runs["rnn"], "gru": replace(runs["gru"], experiment=own)}
    assert "with orthogonal initialisation, gain 1.5 and forget bias 2;" in start_sentence(other)


def test_which_cells_were_shipped_trained():
    assert shipped_sentence([], 3) == ""
    assert shipped_sentence(["rnn", "lstm"], 2) == "Came trained. To train anew:"
    assert shipped_sentence(["rnn", "lstm"], 3) == "RNN and LSTM came trained. To train anew:"
