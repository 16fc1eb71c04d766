"""What a comparison shows: while runs come, of runs that diverged or failed, and of real trainings."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest

from analysis import Plan, compare
from analysis.comparison import Row
from analysis.history.store import Store
from analysis.jobs.fairness import counted, pilots
from analysis.jobs.judgement import judge
from analysis.jobs.outcome import Failed
from analysis.report.comparisons import comparison_csv, comparison_document
from analysis.report.documents import to_json
from tests.helpers.comparisons import judged, run_of

PLAN = Plan({"cell": ["lstm", "gru"], "length": [10, 100], "steps": 500})


def test_results_are_judged_as_they_come():
    experiments = counted(PLAN)
    runs = [run_of(e, 4, step=200) for e in experiments]
    assert not judge(PLAN, []).finished
    for n in range(5):
        comparison = judge(PLAN, runs[:n])
        assert [row.finished for row in comparison.rows] == [True] * n + [False] * (4 - n)
        assert len(comparison.contests) == max(0, n - 2)
        to_json(comparison_document(comparison))
    row = comparison.rows[0]
    assert (row.share, row.median_steps, row.horizon_before, row.furthest) == (1, 200, 2, 9)
    assert row.solved_low == pytest.approx(0.51, abs=0.001)
    assert judge(PLAN, runs) == judge(PLAN, reversed(runs))


def test_nothing_counts_until_all_pilots_are_there():
    plan = Plan({"cell": ["lstm", "gru"], "seeds": 3}, learning_rates=[0.01, 0.1])
    tried = [run_of(e, e.learning_rate == 0.1 and 2) for e in pilots(plan)]
    runs = [run_of(e, 3) for e in counted(plan, tried)]
    early = judge(plan, [*tried[:3], *runs])
    assert not early.fairness.settled and not early.finished
    comparison = judge(plan, [*tried, *runs])
    assert comparison.fairness.learning_rates == {"lstm": 0.1, "gru": 0.1}
    assert [row.experiment.learning_rate for row in comparison.finished] == [0.1, 0.1]
    failed = [Failed(e, "no memory") for e in pilots(plan)]
    assert judge(plan, failed).fairness.settled  # the plan's own rate is all that is left
    assert {row.experiment.learning_rate for row in judge(plan, failed).rows} == {0.005}


def test_a_failed_run_says_why_and_counts_nowhere():
    experiments = counted(PLAN)
    comparison = judge(PLAN, [Failed(experiments[0], "its worker died"), *(run_of(e, 2) for e in experiments[1:])])
    row = comparison.rows[0]
    assert (row.status, row.reason, row.finished) == ("failed", "its worker died", False)
    assert np.isnan(row.share) and np.isnan(row.metric).all()
    assert len(comparison.contests) == 1


def test_a_diverged_model_has_not_solved_it():
    plan = Plan({"cell": ["rnn", "lstm"]})
    runs = [run_of(counted(plan)[0], metric=[np.nan] * 4), run_of(counted(plan)[1], 4)]
    comparison = judge(plan, [replace(runs[0], status="diverged"), runs[1]])
    assert comparison.rows[0].share == 0 and comparison.rows[0].finished
    contest = comparison.contests[0]
    assert contest.rows == (1, 0) and contest.by == "solved" and contest.clear


def test_unsolved_seeds_are_censored_and_not_dropped():
    row = judged(Plan({}), [1], step=300).rows[0]
    assert row.median_steps == np.inf
    assert judged(Plan({}), [2], step=300).rows[0].median_steps == 300
    np.testing.assert_array_equal(row.steps_to_solve, [300, np.nan, np.nan, np.nan])


def test_equal_shares_are_told_apart_by_updates_and_equal_times_by_seconds():
    runs = {cell: step for cell, step in (("lstm", 400), ("gru", 200))}
    for equal, by, best in (("hidden_size", "updates", "gru"), ("time", "seconds", "lstm")):
        plan = Plan({"cell": [*runs]}, equal=equal, ms_per_step=[1, 10])
        comparison = judge(plan, [run_of(e, 4, step=runs[e.cell]) for e in counted(plan)])
        (contest,) = comparison.contests
        assert contest.by == by and contest.clear
        if equal == "hidden_size":
            assert comparison.rows[contest.rows[0]].experiment.cell == best


def test_where_none_solves_it_the_metric_decides():
    plan = Plan({"cell": ["lstm", "gru"], "task": "adding"})
    lstm, gru = counted(plan)
    worse, better = [0.17, 0.16, 0.15, 0.14], [0.03, 0.04, 0.05, 0.06]
    runs = [
        run_of(lstm, metric=worse, threshold=0.01, name="mse"),
        run_of(gru, metric=better, threshold=0.01, name="mse"),
    ]
    (contest,) = judge(plan, runs).contests
    assert contest.rows == (1, 0) and contest.by == "metric" and contest.clear
    unclear = [runs[0], run_of(gru, metric=[0.03, 0.04, 0.05, 0.145], threshold=0.01, name="mse")]
    (contest,) = judge(plan, unclear).contests
    assert contest.overlap and not contest.clear


def test_one_seed_of_many_that_strays_hides_no_difference():
    plan = Plan({"cell": ["lstm", "gru"], "task": "adding", "seeds": 12})
    metrics = np.linspace(0.14, 0.17, 12), np.append(np.linspace(0.03, 0.06, 11), 0.16)
    runs = [run_of(e, metric=m, threshold=0.01, name="mse") for e, m in zip(counted(plan), metrics, strict=True)]
    (contest,) = judge(plan, runs).contests
    assert contest.rows == (1, 0) and contest.by == "metric" and contest.clear


def test_a_setting_is_contested_within_a_cell_too():
    plan = Plan({"cell": ["rnn", "lstm"], "forget_bias": [None, 3.0]})
    comparison = judged(plan, [0, 0, 4])
    pairs = [(contest.axis, contest.rows) for contest in comparison.contests]
    assert pairs == [("cell", (0, 1)), ("forget_bias", (2, 1))]


def test_the_horizon_is_tested_against_success():
    plan = Plan({"gain": [*np.linspace(0.5, 1.4, 10).round(1)], "length": 50})
    solved, horizons = (0, 0, 0, 0, 0, 4, 3, 4, 4, 4), (3, 4, 5, 7, 14, 15, 30, 31, 32, 49)
    triples = zip(counted(plan), solved, horizons, strict=True)
    comparison = judge(plan, [run_of(e, count, horizons=(float(k), 49.0)) for e, count, k in triples])
    before, after = comparison.correlations["before"], comparison.correlations["after"]
    assert before.rho > 0.8 and before.low > 0 and before.settings == 10
    assert np.isnan(after.rho)  # all the same
    threshold = comparison.thresholds["before"]
    assert (threshold.horizon, threshold.furthest, threshold.quality) == (15, 49, 1)
    assert (threshold.below, threshold.below_solved, threshold.above, threshold.above_solved) == (5, 0, 5, 4)
    assert "after" not in comparison.thresholds


def test_lengths_are_compared_by_the_share_of_the_length():
    plan = Plan({"forget_bias": [*range(8)], "length": [13, 101]})
    runs = [run_of(e, 4 * (e.forget_bias > 3), horizons=(e.forget_bias * (e.length - 1) // 12 + 1, 9.0))
            for e in counted(plan)]  # fmt: skip
    comparison = judge(plan, runs)
    within, threshold = comparison.correlations["before"].within, comparison.thresholds["before"]
    assert within.sign == 1 and (within.settings, within.lengths, within.silent) == (8, 2, ())
    assert threshold.share == 34 / 100 and np.isnan(threshold.horizon)
    assert (threshold.below, threshold.above, threshold.above_solved) == (8, 8, 8)


def test_lengths_alone_part_nothing():
    """The same horizon of 5 steps at each length: short sequences are solved, and it is more of them."""
    lengths = [11, 12, 13, 101, 201, 301, 401]
    comparison = judged(Plan({"length": lengths}), [4, 4, 4, 0, 0, 0, 0], horizons=(5.0, 9.0))
    correlation = comparison.correlations["before"]
    assert correlation.sign == 1 and not correlation.within.sign and not correlation.predicts
    assert correlation.within.silent == tuple(map(str, lengths)) and not comparison.thresholds


def test_a_task_that_is_never_solved_is_compared_by_its_metric():
    plan = Plan({"cell": ["lstm", "gru"], "task": "text"})
    runs = [replace(run_of(e, metric=[m] * 4, threshold=None, name="nats per character"), chance=3.2)
            for e, m in zip(counted(plan), (2.0, 1.9), strict=True)]  # fmt: skip
    comparison = judge(plan, runs)
    assert np.isnan(comparison.rows[0].share) and comparison.contests[0].by == "metric"
    assert comparison_document(comparison)["rows"][0]["solved"] is None


def test_where_chance_is_perfect_nothing_can_be_gained():
    plan = Plan({"cell": ["rnn", "lstm", "gru"], "task": "text"})
    runs = [replace(run_of(e, metric=[0.0] * 4, threshold=None, name="mse"), chance=0.0) for e in counted(plan)]
    correlation = judge(plan, runs).correlations["before"]
    assert correlation.settings == 0 and np.isnan(correlation.rho)


KEYS = ["experiment", "status", "metric", "metric_name", "chance", "solved", "seeds", "horizon_before", "horizon_after",
        "span", "steps_to_solve", "seconds", "ms_per_step", "parameters", "multiply_adds", "repeating", "solved_from",
        "solved_low", "solved_high", "median_steps", "reason"]  # fmt: skip


def test_the_document_is_strict_json_with_whole_counts():
    plan = Plan({"cell": ["lstm", "gru"], "length": 10, "steps": 500})
    experiments = counted(plan)
    comparison = judge(plan, [run_of(experiments[0], metric=[1.0, np.nan, 0.5, 1.0], step=120, horizons=(np.nan, 9.0))])
    document = json.loads(to_json(comparison_document(comparison)), parse_constant=pytest.fail)
    assert [*document][:3] == ["rows", "rank_correlation", "verdicts"]
    assert [*document["rank_correlation"]] == ["before", "after"]
    assert document["rank_correlation"]["before"] == {"rho": None, "low": None, "high": None}
    first, missing = document["rows"]
    assert [*first] == KEYS
    assert first["experiment"] == experiments[0].as_dict()
    assert (first["metric"], first["solved"], first["seeds"]) == ([1.0, None, 0.5, 1.0], 2, 4)
    assert (first["horizon_before"], first["horizon_after"]) == (None, 9)
    assert first["steps_to_solve"] == [120, None, None, 120]
    assert (missing["status"], missing["solved"], missing["seconds"]) == ("missing", None, None)
    assert comparison_csv(comparison).count("\n") == 1 + 8


def test_every_number_is_exported_with_its_unit():
    plan = Plan({"cell": ["lstm", "gru"], "forget_bias": [*range(4)], "length": [13, 101]})
    runs = [run_of(e, 4 * (e.forget_bias > 1), horizons=(e.forget_bias * (e.length - 1) // 12 + 1, 9.0))
            for e in counted(plan)]  # fmt: skip
    comparison = judge(plan, runs)
    document = comparison_document(comparison)
    told = {f.name for f in fields(Row)} - {"experiment", "status", "metric_name", "reason"}
    assert told <= document["rows"][0].keys() and told <= {*comparison_csv(comparison).partition("\n")[0].split(",")}
    assert all(name in " ".join([*document["units"], *document["units"].values()]) for name in told)
    assert document["within_lengths"]["before"]["p"] == comparison.correlations["before"].within.p
    assert document["thresholds"]["before"]["share"] == comparison.thresholds["before"].share
    assert [contest["p"] for contest in document["contests"]] == [contest.p for contest in comparison.contests]
    assert document["fairness"]["learning_rates"] == {"lstm": 0.005, "gru": 0.005}


@pytest.mark.parametrize("equal", ["parameters", "time"])
def test_cells_are_compared_from_plan_to_verdict(tmp_path, equal):
    settings = {"cell": ["rnn", "gru"], "length": [4, 6], "hidden_size": 6, "steps": 12, "seeds": 2, "batch_size": 4}
    count = len({"rnn", "gru"}) * 2
    plan = Plan(settings, equal=equal, learning_rates=[0.01, 0.05], ms_per_step=[1.0] * count)
    seen = []
    comparison = compare(plan, store=tmp_path / "runs.sqlite", on_result=seen.append)
    assert len(seen) == 4 + 4 and len(comparison.finished) == 4
    assert comparison.verdicts and comparison.fairness.measured_alone
    trained = Store(tmp_path / "runs.sqlite").rows()
    assert compare(plan, store=tmp_path / "runs.sqlite") == comparison
    assert Store(tmp_path / "runs.sqlite").rows() == trained  # from the history
    assert len(trained) == 8


def test_settings_alone_are_a_plan(tmp_path):
    comparison = compare({"length": 3, "hidden_size": 2, "steps": 2, "seeds": 1}, store=tmp_path / "runs.sqlite")
    assert len(comparison.rows) == 1 and comparison.rows[0].ms_per_step > 0
