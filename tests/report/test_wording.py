from dataclasses import replace

import numpy as np
import pytest

from analysis.experiment import Experiment
from analysis.measures.decay import decay_of_norms
from analysis.report import wording
from analysis.report.sentences import decay as sentences
from analysis.results import Memory, Run


def decay(factor, T=30, S=2, of="memory"):
    return decay_of_norms(np.tile((factor ** np.arange(T))[None, :, None], (S, 1, 3)), of)


def run(cell, metric, chance=0.125, metric_name="accuracy"):
    """Only what wording reads."""
    return Run(
        experiment=Experiment(cell=cell, seeds=len(metric)), status="finished", snapshots=(), loss=np.array(metric),
        metric=np.array(metric), metric_name=metric_name, chance=chance, solved=None, measured_before=None,
        measured_after=None, memory=None, weights={}, diverged=(), versions={},
    )  # fmt: skip


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


def test_words_are_joined():
    assert wording.join_words(["RNN"]) == "RNN"
    assert wording.join_words(["RNN", "LSTM", "GRU"]) == "RNN, LSTM and GRU"
    assert wording.join_words([]) == ""
    assert (wording.format_steps(1), wording.format_steps(np.float64(7))) == ("1 step", "7 steps")
    assert (wording.format_percent(0.01), wording.format_percent(0.003)) == ("1 %", "0.3 %")


def test_rate_says_what_is_kept_first():
    assert wording.describe_rate(decay(0.57)) == "×0.57 kept per step (−0.562 nats)"
    assert wording.describe_half_life(decay(0.5)) == "1 step"


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


def test_reach_is_brief_and_says_what_grows():
    said = {0.5: "6 steps", 0.005: "0 steps", 0.99: "≥ 29 steps", 1.0001: "≥ 29 steps", np.nan: "not measurable"}
    assert {factor: wording.describe_reach(decay(factor)) for factor in said} == said
    assert wording.describe_reach(decay(2.0, T=21)) == "grows ×1.05e6"
    assert wording.describe_rate(decay(1.0001)).startswith("×1 kept")


def test_states_are_said_where_they_differ():
    assert wording.name_states({"rnn": "before", "gru": "before"}) == wording.name_states({"rnn": "after"}) == {}
    assert wording.name_states({"rnn": "before", "gru": "after"}) == {"rnn": "untrained", "gru": "trained"}
    assert wording.name_states({"gru": "step 40"}) == {"gru": "step 40"}
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


def test_what_is_remembered_names_its_threshold():
    memory = Memory("symbol", "accuracy", *[np.zeros(1)] * 4, np.zeros((2, 1)), 0.125, 3.0, np.zeros(2))
    before, after = (replace(decay(0.5), threshold=0.1, horizons=np.array([k, 9.0])) for k in (5.0, 6.0))
    said = sentences.training_sentence("gru", replace(run("gru", [0.5, 0.75]), memory=memory), before, after)
    assert said == (
        "GRU: accuracy 0.625 (0.5–0.75), chance 0.125; the horizon at 10 % went from 6 (5–9) to 6 (6–9); "
        "memory span 3 steps."
    )


@pytest.mark.parametrize(("kind", "span"), [("symbol", "the distance up to"), ("window", "how many steps before")])
def test_horizon_and_memory_span_are_explained(kind, span):
    memory = Memory(kind, "accuracy", *[np.zeros(1)] * 4, np.zeros((2, 1)), 0.125, 3.0, np.zeros(2))
    said = sentences.explain_horizon_and_span(replace(run("gru", [0.5]), memory=memory), 0.1)
    assert said.startswith(f"Horizon: steps back to which 10 % of the gradient is left now. Memory span: {span}")


def test_what_is_remembered_counts_the_models_that_diverged():
    memory = Memory("symbol", "accuracy", *[np.zeros(1)] * 4, np.zeros((2, 1)), 0.125, 3.0, np.zeros(2))
    some, all_ = (replace(run("gru", metric), memory=memory) for metric in ([0.5, np.nan], [np.nan, np.nan]))
    said = sentences.training_sentence("gru", some, decay(0.5), decay(0.5))
    assert said.startswith("GRU: accuracy 0.5, chance 0.125; ")
    assert said.endswith("; memory span 3 steps; 1 of 2 models diverged.")
    assert sentences.training_sentence("gru", all_, decay(0.5), decay(np.nan)) == "GRU: 2 of 2 models diverged."


def test_untrained_groups_cells_by_horizon():
    decays = {"rnn": decay(0.5), "lstm": decay(0.55), "gru": decay(0.55)}
    assert (
        sentences.untrained_sentence(decays)
        == "Untrained, 1 % of the gradient is left 6 steps back in the RNN, 7 in LSTM and GRU."
    )


def test_untrained_tells_whole_sequence_growth_and_nothing():
    assert sentences.untrained_sentence({"gru": decay(0.99)}) == (
        "Untrained, 1 % of the gradient is left at least 29 steps back in the GRU, the whole sequence."
    )
    assert (
        sentences.untrained_sentence({"rnn": decay(2.0, T=21)})
        == "In the RNN the gradient grows ×1.05e6 over 20 steps."
    )


def test_untrained_says_what_can_not_be_measured_and_why():
    gone, zero = decay(np.nan), decay_of_norms(np.zeros((2, 30, 3)), "memory")
    finite = "the states or gradients leave the finite range"
    assert sentences.untrained_sentence({"rnn": gone}) == f"In the RNN no gradient can be measured: {finite}."
    assert sentences.untrained_sentence({"rnn": zero}) == "In the RNN no gradient can be measured: it is zero."
    assert sentences.untrained_sentence({"rnn": gone, "lstm": zero, "gru": decay(0.5)}) == (
        "Untrained, 1 % of the gradient is left 6 steps back in the GRU. "
        f"In the RNN no gradient can be measured: {finite}. In the LSTM no gradient can be measured: it is zero."
    )
    assert sentences.untrained_sentence({"rnn": gone, "lstm": gone}).startswith("In RNN and LSTM no gradient")


def test_half_of_the_update():
    assert sentences.half_update_steps(decay(1.0, T=10)) == 5
    assert sentences.half_update_steps(decay(0.5)) == 1
    assert np.isnan(sentences.half_update_steps(decay(np.nan)))
    assert "RNN 1" in sentences.update_sentence({"rnn": decay(0.5)})
    assert "RNN (untrained) 1" in sentences.update_sentence({"rnn": decay(0.5)}, {"rnn": "untrained"})
    assert "sizes summed" in sentences.update_sentence({"rnn": decay(0.5)})
    assert sentences.update_sentence({"rnn": decay(np.nan)}) == ""
    assert sentences.update_sentence({"rnn": replace(decay(2.0), norm=np.full(30, 1e308))}) == ""  # whose sum is beyond


def test_carry_is_compared_with_the_gradient():
    said = sentences.carry_sentence("lstm", decay(0.9), decay(0.9, of="carry"))
    assert said == "LSTM: at distance 29 the forget gate alone would bring 1 times what comes in fact."
    assert sentences.carry_sentence("lstm", decay(0.9), decay(0.9), {"lstm": "untrained"}).startswith(
        "LSTM (untrained): at "
    )
    said = sentences.carry_sentence("gru", decay(0.5, T=2), decay(0.25, T=2, of="carry"))
    assert "alone would bring 0.5 times" in said and "rest" not in said
    assert sentences.carry_sentence("gru", decay(np.nan), decay(0.9)) == ""
    assert sentences.carry_sentence("gru", decay(1e-11), decay(1.0)) == ""  # a quotient beyond floating point


def test_spread_is_a_range_over_seeds():
    assert wording.format_range(np.array([0.21, 0.34, 0.39])) == "0.34 (0.21–0.39)"
    assert wording.format_range(np.array([1.0, 1.0])) == "1"
    assert wording.format_range(np.array([np.nan])) == "–"


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        ({"rnn": [0.2, 0.3], "lstm": [0.9, 1.0]}, "LSTM did best here: its 2 seeds all beat those of RNN."),
        ({"rnn": [0.2, 0.95], "lstm": [0.9, 1.0]}, "No clear winner between LSTM and RNN"),
        ({"rnn": [0.12, 0.13], "lstm": [0.12, 0.12]}, "No clear winner: all stayed at chance."),
        ({"rnn": [0.2], "lstm": [0.9]}, "one seed each says little"),
        ({"rnn": [0.2, 0.3]}, ""),
        ({"rnn": [0.2, 0.3], "gru": [np.nan, np.nan]}, "No comparison. GRU: 2 of 2 models diverged."),
        ({"rnn": [0.9, np.nan], "gru": [0.5, 0.5]}, "No clear winner. RNN: 1 of 2 models diverged."),
        ({"rnn": [0.9, 1.0], "lstm": [0.2, 0.2], "gru": [np.nan] * 2}, "No clear winner. GRU: 2 of 2 models diverged."),
        ({"gru": [np.nan, np.nan]}, ""),
    ],
)
def test_which_cell_claims_no_more_than_the_ranges(metrics, said):
    sentence = sentences.compare_cells({cell: run(cell, values) for cell, values in metrics.items()})
    assert said in sentence
    assert bool(sentence) == bool(said)


def test_which_cell_where_less_is_better():
    runs = {cell: run(cell, m, 1 / 6, "mse") for cell, m in {"rnn": [0.16, 0.17], "gru": [0.01, 0.02]}.items()}
    assert sentences.compare_cells(runs).startswith("GRU did best")


def test_chance():
    assert sentences.stayed_at_chance(run("gru", [0.13, 0.12]))
    assert sentences.stayed_at_chance(run("gru", [np.nan]))
    assert not sentences.stayed_at_chance(run("gru", [0.13, 0.5]))
    assert sentences.stayed_at_chance(run("gru", [0.166], 1 / 6, "mse"))
    assert not sentences.stayed_at_chance(run("gru", [0.1], 1 / 6, "mse"))
    assert sentences.stayed_at_chance(run("gru", [0.0], 0.0, "nats per character"))  # where chance is perfect


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


def test_cells_that_overlap_the_best_alone_are_not_said_to_overlap_each_other():
    runs = {
        "rnn": run("rnn", [0.62, 0.96, 1]),
        "lstm": run("lstm", [0.85, 0.9, 0.95]),
        "gru": run("gru", [0.5, 0.55, 0.63]),
    }
    said = "No clear winner between RNN, LSTM and GRU, whose ranges over seeds overlap that of RNN (3 seeds each)."
    assert sentences.compare_cells(runs) == said
