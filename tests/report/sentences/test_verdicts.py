"""Verdicts in words, from intervals and exact tests alone."""

from dataclasses import replace

import numpy as np
import pytest

from analysis import Plan
from analysis.jobs.fairness import counted, pilots
from analysis.jobs.judgement import judge
from analysis.report.sentences.comparing import fairness_sentence
from analysis.report.sentences.verdicts import describe_setting
from tests.helpers.comparisons import judged, run_of

CELLS = Plan({"cell": ["gru", "lstm"], "length": [20, 100], "steps": 500})


def said(plan, runs):
    return judge(plan, runs).verdicts


def test_what_may_be_chance_is_said_so_with_the_seeds_that_would_settle_it():
    verdicts = judged(CELLS, [4, 4, 4, 1], step=100).verdicts
    assert verdicts[0] == (
        "No clear winner among GRU and LSTM in any of 2 tests: GRU did best each time, which may be chance."
    )
    assert verdicts[2] == (
        "GRU solves length 100 in 4 of 4 seeds, LSTM in 1 of 4: with 4 seeds this may be chance (Fisher p = .14), "
        "no clear winner; about 8 seeds each would settle it."
    )
    assert verdicts[1] == (
        "GRU solves length 20 in 4 of 4 seeds, LSTM in 4 of 4: no clear winner with 4 seeds in updates, "
        "median 100 against 100 (p = 1)."
    )


def test_three_cells_are_told_apart_one_by_one():
    headline, verdict = judged(Plan({"cell": ["rnn", "lstm", "gru"], "task": "order"}), [0, 3, 4]).verdicts[:2]
    assert headline == "LSTM or GRU, not RNN; clear in 1 of 2 tests: GRU over RNN. No clear winner in the others."
    assert verdict == (
        "GRU solves order at length 50 in 4 of 4 seeds, LSTM in 3 of 4, RNN in 0 of 4: against LSTM with 4 seeds this "
        "may be chance (Fisher p = 1), no clear winner; about 31 seeds each would settle it; against RNN more than "
        "chance gives (Fisher p = .029)."
    )


def test_what_holds_against_several_is_said_once():
    verdict = judged(Plan({"cell": ["rnn", "lstm", "gru"], "length": 50}), [2, 0, 0]).verdicts[1]
    assert verdict.endswith(
        "LSTM in 0 of 4, GRU in 0 of 4: against LSTM and GRU with 4 seeds this may be chance (Fisher p = .43), "
        "no clear winner; about 12 seeds each would settle it."
    )


def test_who_solves_it_sooner():
    plan = Plan({"cell": ["lstm", "gru"], "task": "adding", "steps": 900})
    steps = {"lstm": 765, "gru": 225}
    (verdict,) = said(plan, [run_of(e, 4, step=steps[e.cell]) for e in counted(plan)])
    assert verdict == (
        "GRU solves adding at length 50 in 4 of 4 seeds, LSTM in 4 of 4: it needs fewer updates, median 225 against "
        "765 (p = .029)."
    )


def test_a_small_p_beside_intervals_that_overlap_is_explained():
    plan = Plan({"cell": ["lstm", "gru"], "task": "adding", "seeds": 6, "length": 50})
    metrics = (0.06, 0.07, 0.075, 0.08, 0.085, 0.09), (0.02, 0.025, 0.03, 0.035, 0.04, 0.065)
    runs = [run_of(e, metric=m, threshold=0.01, name="mse") for e, m in zip(counted(plan), metrics, strict=True)]
    assert said(plan, runs)[0].endswith("no clear winner with 6 seeds, whose intervals overlap (p = .0043).")


@pytest.mark.parametrize("metrics", [(0.2, 0.25, 0.3), (0.2, 0.25, np.nan)])
def test_nobody_wins_who_only_guesses(metrics):
    plan = Plan({"cell": ["rnn", "lstm", "gru"], "task": "adding", "length": 50})  # chance is 1/6
    runs = [replace(run_of(e, metric=m + np.linspace(0, 0.01, 4), threshold=0.01, name="mse"), chance=1 / 6)
            for e, m in zip(counted(plan), metrics, strict=True)]  # fmt: skip
    comparison = judge(plan, runs)
    assert not any(contest.clear for contest in comparison.contests)
    assert comparison.verdicts[0] == (
        "No clear winner in any of 2 tests: none does better than guessing. No seed of any solved the task."
    )
    assert comparison.verdicts[1].endswith("no seed solves it: against LSTM and GRU neither does better than guessing.")


def test_settings_beside_the_cell_are_named():
    plan = Plan({"cell": ["rnn", "lstm"], "forget_bias": [None, 3.0], "length": 50})
    verdicts = judged(plan, [0, 0, 4]).verdicts
    assert verdicts[0] == (
        "Clear in 1 of 2 tests: LSTM with forget bias 3 over forget bias unset. No clear winner in the others."
    )
    assert verdicts[1].startswith("RNN on recall at length 50 with forget bias unset: accuracy 0.3, LSTM 0.3, chance")
    assert verdicts[1].endswith("no seed solves it: no clear winner with 4 seeds (p = 1).")
    assert verdicts[2] == (
        "LSTM with forget bias 3 solves recall at length 50 in 4 of 4 seeds, with forget bias unset in 0 of 4: "
        "more than chance gives (Fisher p = .029)."
    )
    experiments = counted(plan)
    assert describe_setting(experiments[2], ("cell", "length", "forget_bias")) == "LSTM, length 50, forget bias 3"


def test_one_seed_each_says_little():
    assert judged(Plan({"cell": ["gru", "lstm"], "seeds": 1}), [1, 0]).verdicts == (
        "GRU solves recall at length 30 in 1 of 1 seeds, LSTM in 0 of 1: one seed each says little.",
    )


def test_the_first_sentence_says_who_won_where():
    plan = Plan({"cell": ["gru", "rnn"], "length": [10, 20, 30, 40, 50]})
    assert judged(plan, [4, 4, 4, 4, 4, 4, 0, 0, 4, 3], step=100).verdicts[:2] == (
        "GRU, not RNN; clear in 2 of 5 tests: GRU over RNN at length 20 and at length 30. No clear winner in the "
        "others.",
        "Where nothing differs, up to about 1 test in 20 still looks clear.",
    )


def test_many_clear_tests_are_counted_in_the_headline():
    plan = Plan({"cell": ["gru", "rnn"], "forget_bias": [None, 1.0], "length": [10, 20, 30, 40]})
    runs = [run_of(e, 4 * (e.cell == "gru" and e.forget_bias is None)) for e in counted(plan)]
    assert said(plan, runs)[0] == (
        "GRU, not RNN; clear in 8 of 8 tests: GRU over RNN in 4, between values of forget bias in 4."
    )


def claim(solved, horizons, length=50):
    plan = Plan({"gain": [*np.linspace(0.5, 1.5, len(solved)).round(2)], "length": length})
    runs = [run_of(e, count, horizons=(float(horizon), 49.0))
            for e, count, horizon in zip(counted(plan), solved, horizons, strict=True)]  # fmt: skip
    return [verdict for verdict in said(plan, runs) if "horizon" in verdict]


def test_the_horizon_at_start_predicts_success():
    before, threshold, after = claim((0, 0, 0, 0, 0, 4, 3, 4, 4, 4), (3, 4, 5, 7, 14, 15, 30, 31, 32, 49))
    assert before.startswith(
        "The longer the horizon at start, as a share of the length, the more seeds solved the task (Spearman"
    )
    assert threshold == (
        "No setting whose horizon at start was below 15 of 49 steps learned it; of the 5 from there on, 4 did in "
        "every seed. The value was chosen on these same settings."
    )
    assert after == (
        "Whether the horizon after training predicts success can't be told: all 10 settings have the same horizon, or "
        "do equally well."
    )


@pytest.mark.parametrize(
    ("solved", "answer"),
    [
        ((4, 0, 4, 4, 4, 4), "RNN or GRU, not LSTM; clear in 1 of 4 tests: "),
        ((4, 0, 0, 4, 0, 0), "RNN, not LSTM or GRU; clear in 4 of 4 tests: "),
        ((4, 0, 0, 0, 0, 4), "It depends; clear in 4 of 4 tests: "),
        ((2, 2, 2, 2, 2, 2), "No clear winner among RNN, LSTM and GRU in any of 4 tests"),
    ],
)
def test_the_headline_says_which_cell_to_take(solved, answer):
    plan = Plan({"cell": ["rnn", "lstm", "gru"], "length": [10, 20]})
    short, long = (dict(zip(plan.cells, solved[at : at + 3], strict=True)) for at in (0, 3))
    runs = [run_of(e, (short if e.length == 10 else long)[e.cell], step=100) for e in counted(plan)]
    assert said(plan, runs)[0].startswith(answer)


def over_lengths(solved_at, horizon_of, biases=8):
    """What is said of settings of the forget bias at three lengths, by the share solved and the horizon in steps."""
    plan = Plan({"cell": "lstm", "forget_bias": [*range(biases)], "length": [10, 20, 40]})
    runs = [run_of(e, int(solved_at(e)), horizons=(float(horizon_of(e)), e.length - 1.0)) for e in counted(plan)]
    return [verdict for verdict in said(plan, runs) if "at start" in verdict or "equal length" in verdict]


def test_where_only_lengths_differ_the_horizon_is_not_said_to_predict():
    """A horizon of 4 or 5 steps whatever the bias, and success where sequences are short."""
    over_all, within, *more = over_lengths(
        lambda e: {10: 4, 20: 2, 40: 0}[e.length] - (e.length == 20 and e.forget_bias % 3),
        lambda e: 4 + e.forget_bias % 2,
    )
    assert over_all.startswith("Over all lengths, the longer the horizon at start")
    assert within.startswith("At equal length, the horizon at start does not clearly predict success, so the lengths ")
    assert within.endswith(
        "Lengths 10 and 40 tell nothing: all settings there have the same horizon, or do equally well."
    )
    assert not [verdict for verdict in more if "learned it" in verdict]


def test_what_holds_at_equal_length_is_said_so():
    _, within, threshold = over_lengths(lambda e: min(4, e.forget_bias), lambda e: e.forget_bias + 1)
    assert within.startswith(
        "At equal length too, the longer the horizon at start, the more seeds solved the task (rank"
    )
    assert within.endswith(", p = .0024, over 8 settings at 3 lengths).")
    assert "learned it" in threshold


def test_few_settings_beside_the_lengths_tell_nothing():
    few = over_lengths(lambda e: min(4, e.forget_bias), lambda e: e.forget_bias + 1, biases=4)[-1]
    assert few.startswith("At equal length nothing can be told: 4 settings besides the lengths are too few, 5 or more")
    over_all, alike = over_lengths(lambda e: 80 // e.length // 2, lambda e: 8)
    assert over_all.endswith("over 24 settings). The lengths alone may explain it.")
    assert alike == (
        "At equal length nothing can be told: all settings of a length have the same horizon, or do equally well."
    )


def test_a_horizon_that_does_not_predict_is_said_not_to():
    unclear, after = claim((4, 0, 4, 0, 4, 0), (5, 7, 14, 15, 30, 49))
    assert unclear.startswith("The horizon at start does not clearly predict success here (Spearman's rho −0.")
    assert "after training" in after  # no threshold is told where success doesn't go with the horizon
    shorter, *_ = claim((4, 4, 4, 4, 0, 0, 0, 0), (1, 2, 3, 4, 5, 6, 7, 8))
    assert shorter.startswith(
        "The shorter the horizon at start, as a share of the length, the more seeds solved the task"
    )


def test_few_settings_prove_nothing_however_well_they_are_ordered():
    """Chance orders 4 settings in 1 of 12 comparisons, 5 in 1 of 60 and nearly so in more."""
    for solved in ((0, 1, 3, 4), (0, 1, 2, 3, 4)):
        assert claim(solved, range(1, len(solved) + 1)) == [
            f"{len(solved)} settings are too few to tell whether the horizon predicts success: 6 or more can."
        ]
    assert claim((0, 0, 1, 2, 3, 4), range(1, 7))[0].startswith("The longer the horizon at start")


def test_with_three_seeds_no_test_can_be_clear():
    plan = Plan({"cell": ["rnn", "lstm", "gru"], "seeds": 3})
    assert judged(plan, [0, 3, 3], step=100).verdicts[0].endswith(" With fewer than 4 seeds each no test can be clear.")


def test_forecasts_that_do_not_beat_repeating_the_last_value_are_named():
    def said_of(rnn, gru, repeating=0.2):
        plan = Plan({"cell": ["rnn", "gru"], "length": 10})
        runs = [run_of(e, metric=[m] * 4, threshold=None, name="mse")
                for e, m in zip(counted(plan), (rnn, gru), strict=True)]  # fmt: skip
        return said(plan, [replace(run, memory=replace(run.memory, repeating=repeating)) for run in runs])[-1]

    than = "than repeating the last value (mse 0.2)"
    assert said_of(0.1, 0.1) == f"Every setting forecasts better {than}."
    assert said_of(0.3, np.nan) == f"No setting forecasts better {than}."
    assert said_of(0.2, 0.1) == f"1 of 2 settings forecast no better {than}: RNN."
    assert "repeating" not in said_of(0.2, 0.1, None)


def test_a_horizon_above_which_none_is_sure_parts_nothing():
    longer, threshold, _ = claim((0, 0, 0, 0, 3, 3, 3, 3), (3, 4, 5, 6, 7, 20, 30, 40))
    assert longer.startswith("The longer the horizon at start")
    assert threshold == "No horizon at start clearly parts the settings that solved the task from the others."


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ({}, "All cells have the same hidden size and as many updates. One learning rate for all: 0.005."),
        ({"equal": "parameters"}, "All cells have equally many parameters, within 2 %"),
        ({"equal": "time", "ms_per_step": [1.04, 1]}, "All cells train for the same time, within 4 %, by what an up"),
        ({"equal": "time", "ms_per_step": [500, 1]},
         "but none may make more than 100,000 updates, so some train for less: GRU at length 30 for 40 % of it."),
        ({"learning_rates": [0.01, 0.1]},
         "Each cell's learning rate is being chosen from 0.01 and 0.1, on 2 seeds that aren't counted, at length 30."),
    ],
)  # fmt: skip
def test_the_terms_are_said(about, words):
    assert words in fairness_sentence(judge(Plan({"cell": ["lstm", "gru"]}, **about), []).fairness)


def test_before_times_are_measured_no_number_is_claimed():
    fairness = replace(judge(Plan({"cell": ["lstm", "gru"]}), []).fairness, equal="time")
    assert fairness_sentence(fairness).startswith("All cells are to train for the same time, which is measured first.")


def test_chosen_rates_and_what_is_left_out_are_said():
    plan = Plan({"cell": ["rnn", "lstm"], "forget_bias": [None, 1]}, learning_rates=[0.01, 0.1])
    sentence = fairness_sentence(judge(plan, [run_of(e, 2) for e in pilots(plan)]).fairness)
    assert sentence.endswith(
        "at length 30: 0.01 for the RNN and 0.01 for the LSTM. Left out: Forget bias 1 for the RNN."
    )
