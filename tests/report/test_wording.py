from dataclasses import replace

import numpy as np
import pytest

from analysis.experiment import Experiment
from analysis.measures.decay import decay_of_norms
from analysis.report import wording
from analysis.results import Memory, Snapshot
from tests.helpers.decays import cut_decay, decay, run


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.012345, "0.0123"), (29.0, "29"), (0.0, "0"), (-0.5618, "−0.562"), (1234567.0, "1.23e6"), (1e6, "1e6"),
        (1.1e-24, "1.1e−24"), (12345.0, "12,345"), (np.inf, "∞"), (-np.inf, "−∞"), (np.nan, "–"), (4e29, "4e29"),
        (-0.0, "0"), (999.7, "1,000"), (999.4, "999"), (-999.7, "−1,000"),
    ],
)  # fmt: skip
def test_number_has_three_digits(value, words):
    assert wording.format_number(value) == words


def test_an_experiment_is_described_by_what_is_not_at_its_default():
    experiment = Experiment(cell="lstm", length=6, hidden_size=4)
    assert wording.describe_experiment(experiment) == "LSTM, recall 6, Hidden size 4"
    own = wording.describe_experiment(Experiment(cell="gru", task="text", text_file="mine.txt"))
    assert own.startswith("GRU, text ") and ", a text of its own" in own
    assert wording.describe_experiment(Experiment(task="words", text_file="english")) == "LSTM, words 20, English prose"


def test_late_horizons_are_those_of_the_last_fifth_of_a_training():
    def snapshot(step, factor):
        return Snapshot(step, *[np.zeros(1)] * 3, decay(factor), {}, None)

    early, late = [snapshot(0, 0.99), snapshot(390, 0.99)], [snapshot(400, 0.5), snapshot(500, 0.55)]
    some = replace(run("gru", [1.0]), snapshots=(*early, *late))
    assert wording.describe_late_horizons(some) == "6 to 7 time steps"
    assert wording.describe_late_horizons(replace(some, snapshots=(snapshot(500, 0.99),))) == "≥ 29 time steps"
    assert wording.describe_late_horizons(replace(some, snapshots=(snapshot(500, np.nan),))) == "not measurable"


def test_words_are_joined():
    assert wording.join_words(["RNN"]) == "RNN"
    assert wording.join_words(["RNN", "LSTM", "GRU"]) == "RNN, LSTM and GRU"
    assert wording.join_words([]) == ""
    assert (wording.format_steps(1), wording.format_steps(np.float64(7))) == ("1 time step", "7 time steps")
    assert (wording.format_percent(0.01), wording.format_percent(0.003)) == ("1 %", "0.3 %")


def test_rate_says_what_is_kept_first():
    assert wording.describe_rate(decay(0.57)) == "×0.57 kept per time step (−0.562 nats)"
    assert wording.describe_half_life(decay(0.5)) == "1 time step"


def test_rate_refuses_a_bad_fit():
    bumpy = replace(decay(0.9), r_squared=0.89)
    assert wording.describe_rate(bumpy) == "no single rate"
    assert wording.describe_half_life(bumpy) == "–"


def test_rate_says_how_much_a_rising_gradient_grows():
    assert wording.describe_rate(decay(2.0, T=21)) == "grows ×1.05e6"
    assert wording.describe_half_life(decay(2.0)) == "never halves"


def test_horizon_at_the_end_is_censored():
    assert wording.describe_horizon(decay(0.99)) == "≥ 29, the whole sequence"
    assert wording.describe_horizon(decay(0.5)) == "6"
    assert wording.describe_horizon(decay(np.nan)) == wording.describe_rate(decay(np.nan)) == "not measurable"


def test_a_horizon_where_truncation_cuts_is_censored_there():
    assert wording.describe_horizon(cut_decay(0.9, 5)) == "≥ 4, all that truncation leaves"
    assert wording.describe_horizon_range(cut_decay(0.9, 5)) == "≥ 4, all that truncation leaves"
    assert wording.describe_horizon(cut_decay(0.5, 20)) == "6"
    assert wording.describe_reach(cut_decay(0.9, 5)) == "≥ 4 time steps"
    assert wording.describe_reach(cut_decay(2.0, 5)) == "grows ×16"


def test_reach_is_brief_and_says_what_grows():
    said = {0.5: "6 time steps", 0.005: "0 time steps", 0.99: "≥ 29 time steps", 1.0001: "≥ 29 time steps"}
    said[np.nan] = "not measurable"
    assert {factor: wording.describe_reach(decay(factor)) for factor in said} == said
    assert wording.describe_reach(decay(2.0, T=21)) == "grows ×1.05e6"
    assert wording.describe_rate(decay(1.0001)).startswith("×1 kept")


def test_states_are_said_where_they_differ():
    assert wording.name_states({"rnn": "before", "gru": "before"}) == wording.name_states({"rnn": "after"}) == {}
    assert wording.name_states({"rnn": "before", "gru": "after"}) == {"rnn": "untrained", "gru": "trained"}
    assert wording.name_states({"gru": "update 40"}) == {"gru": "update 40"}
    assert wording.cell_with_state("lstm", {"lstm": "untrained"}) == "LSTM (untrained)"
    assert wording.cell_with_state("lstm", {}) == "LSTM"


def test_a_horizon_stands_with_its_range_and_its_threshold():
    spread = replace(decay(0.5), horizons=np.array([5.0, 9.0]))
    assert wording.describe_horizon_range(spread) == "6 (5–9)"
    assert wording.describe_horizon_range(decay(0.5)) == "6"
    capped = np.array([9.0, 29.0])  # a horizon at the end may lie further
    assert wording.describe_horizon_range(replace(decay(0.99), horizons=capped)) == "≥ 29 (9 to ≥ 29)"
    assert wording.describe_horizon_range(replace(decay(0.5), horizons=capped)) == "6 (9 to ≥ 29)"
    assert wording.describe_horizon_range(decay(0.99)) == "≥ 29, the whole sequence"
    assert wording.describe_horizon_range(replace(decay(np.nan), horizons=np.array([np.nan, 3.0]))) == "not measurable"
    assert wording.threshold_suffix(decay(0.5)) == ""
    assert wording.threshold_suffix(replace(decay(0.5), threshold=0.1)) == " at 10 %"


def test_spread_is_a_range_over_seeds():
    assert wording.format_range(np.array([0.21, 0.34, 0.39])) == "0.34 (0.21–0.39)"
    assert wording.format_range(np.array([1.0, 1.0])) == "1"
    assert wording.format_range(np.array([np.nan])) == "–"


def over_seeds(slopes, T):
    k = np.arange(T)[None, :, None]
    return decay_of_norms(np.exp(-k * np.array(slopes)[:, None, None]) * np.ones((1, 1, 4)), "memory")


def test_a_horizon_of_thousands_keeps_its_digits_beside_the_range():
    found = over_seeds([0.0040, 0.0037, 0.0035], 1500)
    assert wording.describe_horizon_range(found) == "1,244 (1,151–1,315)"
    assert wording.describe_horizon_range(over_seeds([0.004, 0.001, 0.001], 1500)) == "≥ 1,499 (1,151 to ≥ 1,499)"


def test_what_falls_below_half_and_rises_again_is_not_said_never_to_halve():
    curve = np.array([1, 0.3, 0.6, 0.9, 1.2, 1.5])
    fell = decay_of_norms(np.tile(curve[None, :, None], (2, 1, 3)), "memory")
    assert np.isinf(fell.half_life)
    assert wording.describe_half_life(fell) == "–"


def test_what_is_kept_per_step_is_a_range_only_where_seeds_differ():
    assert wording.describe_factor_range(decay(0.67, S=1)) == wording.describe_factor_range(decay(0.67)) == "×0.67"
    assert wording.describe_factor_range(over_seeds([0.1, 0.2], 30)) == "×0.819–0.905"


@pytest.mark.parametrize(
    ("span", "spans", "words"),
    [
        (29.0, [29.0, 29.0, 29.0], "29 time steps"),
        (1.0, [1.0, 1.0, 1.0], "1 time step"),
        (2.0, [2.0, 21.0, 8.0], "2 time steps (2–21)"),
        (20.0, [np.nan, 21.0, 20.0], "20 time steps (none to 21)"),
        (np.nan, [np.nan, 21.0, np.nan], "none (none to 21)"),
        (np.nan, [np.nan, np.nan, np.nan], "none"),
        (3.0, [np.nan, np.nan, np.nan], "3 time steps"),
    ],
)
def test_a_span_stands_with_its_range(span, spans, words):
    memory = Memory("symbol", "accuracy", *[np.zeros(1)] * 4, np.zeros((3, 1)), 0.125, span, np.array(spans))
    assert wording.describe_span(memory) == words


def test_the_span_of_a_model_that_diverged_is_not_counted():
    values = np.array([[np.nan], [0.5], [0.6]])
    memory = Memory("symbol", "accuracy", *[np.zeros(1)] * 4, values, 0.125, 7.0, np.array([np.nan, 7.0, 7.0]))
    assert wording.describe_span(memory) == "7 time steps"
    assert wording.describe_span(replace(memory, values=values * np.nan)) == "not measurable"
