"""Equal parameters, equal time, and learning rates chosen on seeds that aren't counted."""

from contextlib import closing

import pytest

from analysis import Experiment, Plan
from analysis.engine.cost import count_cost
from analysis.history.fallback import FallbackStore
from analysis.jobs.fairness import choose_rates, counted, equal_sizes, equalize, measure_pace, pilots, steps_to_solve
from analysis.jobs.judgement import judge
from analysis.tasks.registry import build_task
from tests.helpers.comparisons import run_of

CELLS = ["rnn", "lstm", "gru"]


def parameters(experiment):
    return count_cost(experiment, build_task(experiment))["parameters"]


@pytest.mark.parametrize("task", ["recall", "adding", "words"])
@pytest.mark.parametrize(("hidden_size", "layers"), [(3, 1), (32, 1), (32, 3), (100, 2), (512, 1)])
def test_equal_parameters_are_within_2_percent(task, hidden_size, layers):
    plan = Plan({"cell": CELLS, "task": task, "hidden_size": hidden_size, "layers": layers}, equal="parameters")
    counts = [parameters(experiment) for experiment in equalize(plan)]
    assert max(counts) <= 1.02 * min(counts)


def test_the_cell_with_most_parameters_nearly_keeps_its_hidden_size():
    sizes = {e.cell: e.hidden_size for e in equalize(Plan({"cell": CELLS, "hidden_size": 64}, equal="parameters"))}
    assert abs(sizes["lstm"] - 64) <= 2
    assert sizes["lstm"] < sizes["gru"] < sizes["rnn"]


def test_one_cell_keeps_its_size():
    assert equal_sizes(["gru"], 17, 1, build_task(Experiment())) == {"gru": 17}


def test_equal_time_gives_faster_cells_more_updates():
    plan = Plan({"cell": CELLS, "length": [10, 20], "steps": 100}, equal="time", ms_per_step=[1, 3, 2, 6, 2.5, 6])
    steps = {(e.cell, e.length): e.steps for e in equalize(plan)}
    assert steps == {
        ("rnn", 10): 250, ("rnn", 20): 200, ("lstm", 10): 120, ("lstm", 20): 100, ("gru", 10): 100, ("gru", 20): 100,
    }  # fmt: skip


def test_equal_time_is_made_of_measured_times():
    plan = Plan({"cell": CELLS, "hidden_size": 4, "length": 5}, equal="time")
    with pytest.raises(ValueError, match="measure_pace"):
        equalize(plan)
    timed = measure_pace(plan)
    assert len(timed.ms_per_step) == 3 and min(timed.ms_per_step) > 0
    assert measure_pace(timed) is timed
    assert min(e.steps for e in equalize(timed)) == 500


def test_a_comparison_that_goes_on_has_the_times_it_began_with(tmp_path, monkeypatch):
    plan = Plan({"cell": ["rnn", "gru"], "hidden_size": 4, "length": 5, "steps": 100}, equal="time")
    with closing(FallbackStore(tmp_path / "runs.sqlite")) as history:
        began = measure_pace(plan, history)
    monkeypatch.setattr(
        "analysis.jobs.fairness._update_ms", lambda experiment: {"rnn": 1.0, "gru": 7.0}[experiment.cell]
    )
    with closing(FallbackStore(tmp_path / "runs.sqlite")) as history:
        assert measure_pace(plan, history) == began
        more_seeds = Plan(plan.settings | {"seeds": 9}, equal="time")
        assert equalize(measure_pace(more_seeds, history))[0].steps == 700  # an update of more seeds is another
    assert equalize(measure_pace(plan))[0].steps == 700


def test_equal_times_are_told_as_they_are():
    def told(ms, steps=500):
        plan = Plan({"cell": ["rnn", "lstm"], "length": [10, 20], "steps": steps}, equal="time", ms_per_step=ms)
        fairness = judge(plan, []).fairness
        return round(fairness.time_spread, 3), fairness.capped

    assert told([1, 1, 2, 2]) == (0, ())
    assert told([1, 1, 1.04, 2]) == (0.04, ())
    assert told([1, 1, 1.5, 1.5], steps=1) == (0.333, ())  # half an update can't be made
    assert told([1, 1, 4, 2], steps=50_000) == (0, ("RNN at length 10 for 50 % of it",))


def test_what_costs_the_same_is_timed_once():
    plan = measure_pace(Plan({"hidden_size": 4, "length": 5, "forget_bias": [None, 1, 2], "learning_rate": [0.1, 0.2]}))
    assert len(plan.ms_per_step) == 6 and len({*plan.ms_per_step}) == 1


def test_what_does_not_fit_in_memory_is_refused_before_it_is_timed():
    with pytest.raises(ValueError, match="this experiment needs about"):
        measure_pace(Plan({"length": 100_000, "hidden_size": 512, "batch_size": 4096, "seeds": 64}))


def test_pilots_have_seeds_of_their_own_and_the_middle_length():
    plan = Plan({"cell": CELLS, "length": [10, 20, 50], "seeds": 5, "seed": 7}, learning_rates=[0.01, 0.1])
    tried = pilots(plan)
    assert [(e.cell, e.learning_rate) for e in tried] == [(cell, rate) for cell in CELLS for rate in (0.01, 0.1)]
    assert {e.length for e in tried} == {20}
    counted_seeds = {e.seed + k for e in counted(plan) for k in range(e.seeds)}
    assert not counted_seeds & {e.seed + k for e in tried for k in range(e.seeds)}
    last = Plan({"seed": 2**31 - 1, "seeds": 1}, learning_rates=[0.01, 0.1])
    assert {e.seed for e in pilots(last)} == {2**31 - 3}
    assert pilots(Plan({"cell": CELLS})) == []
    assert len(pilots(Plan({"seed": [0, 10], "seeds": [2, 4]}, learning_rates=[0.01, 0.1]))) == 2


def test_each_cell_gets_the_rate_that_solves_the_most_seeds_then_the_soonest_then_the_best():
    plan = Plan({"cell": CELLS, "steps": 500}, learning_rates=[0.001, 0.01, 0.1])
    rnn, lstm, gru = pilots(plan)[:3], pilots(plan)[3:6], pilots(plan)[6:]
    runs = [run_of(e, count) for e, count in zip(rnn, (0, 2, 1), strict=True)]
    runs += [run_of(e, 2, step=step) for e, step in zip(lstm, (200, 300, 100), strict=True)]
    runs += [run_of(e, metric=[m, m]) for e, m in zip(gru, (0.3, 0.2, float("nan")), strict=True)]
    assert choose_rates(plan, runs) == {"rnn": 0.01, "lstm": 0.1, "gru": 0.001}
    assert {e.cell: e.learning_rate for e in counted(plan, runs)} == {"rnn": 0.01, "lstm": 0.1, "gru": 0.001}


def test_of_equal_rates_the_plans_first_is_chosen_whichever_run_ended_first():
    plan = Plan({"steps": 500}, learning_rates=[0.01, 0.1])
    runs = [run_of(e, 2, step=200) for e in pilots(plan)]
    assert choose_rates(plan, runs) == choose_rates(plan, runs[::-1]) == {"lstm": 0.01}


def test_a_smaller_error_is_the_better_one():
    plan = Plan({"task": "adding"}, learning_rates=[0.01, 0.1])
    runs = [
        run_of(e, metric=[m, m], threshold=0.01, name="mse") for e, m in zip(pilots(plan), (0.1, 0.02), strict=True)
    ]
    assert choose_rates(plan, runs) == {"lstm": 0.1}


def test_updates_to_solve_are_unknown_where_the_end_does_not_solve_it():
    run = run_of(Experiment(seeds=3, steps=500), metric=[1.0, 0.3, float("nan")], step=120)
    assert steps_to_solve(run)[0] == 120
    assert str(steps_to_solve(run)[1:]) == "[nan nan]"
