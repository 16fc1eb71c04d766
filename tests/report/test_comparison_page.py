"""A comparison in words and as one page: every row is there, and the page needs nothing from elsewhere."""

import base64
import re

import numpy as np
from plotly.offline import get_plotlyjs

from analysis.figures.comparison_report import comparison_report
from analysis.jobs.fairness import pilots
from analysis.jobs.grid import parse_grid, to_toml
from analysis.jobs.judgement import judge
from analysis.plan import Plan
from analysis.report.comparison_page import comparison_table, varying
from analysis.report.sentences.comparing import cost_sentence, method_sentences, preview_sentence, progress_line
from tests.helpers.comparisons import judged, run_of

PLAN = Plan({"cell": ["lstm", "gru"], "length": [10, 20], "seeds": 4, "hidden_size": 4})


def test_a_table_names_what_differs_and_what_came_out():
    table = comparison_table(judged(PLAN, [4, 0, 3, 4], step=50).rows)
    assert table["Cell"] == ["LSTM", "LSTM", "GRU", "GRU"] and table["Length"] == ["10", "20", "10", "20"]
    assert table["Solved by"] == ["4 of 4 seeds", "0 of 4 seeds", "3 of 4 seeds", "4 of 4 seeds"]
    assert table["Updates to solve"] == ["50", "> 500", "50 to > 500", "50"]
    assert "Hidden size" not in table
    gains = judged(Plan({"gain": [1.0, 2.0], "forget_bias": [None, 1.0]}), [1] * 4).rows
    assert comparison_table(gains)["Forget bias"] == ["unset", "1", "unset", "1"]
    assert varying([row.experiment for row in gains]) == ["gain", "forget_bias"] and comparison_table([]) == {}


def test_a_task_that_counts_nothing_as_solved_says_nothing_of_it():
    plan = Plan({"task": "text", "cell": "gru", "seeds": 2, "length": 10})
    (run,) = [run_of(each, metric=[2.0, 2.5], threshold=None) for each in plan.experiments()]
    comparison = judge(plan, [run])
    table = comparison_table(comparison.rows)
    assert not {"Solved by", "Updates to solve"} & table.keys() and table["accuracy (chance 0.125)"] == ["2.25 (2–2.5)"]
    assert "nothing counts as solved" in method_sentences(comparison)[0]


def test_chance_that_depends_on_the_length_is_said_so_and_each_task_has_its_own():
    comparison = judge(Plan({"task": ["copy", "recall"], "length": [20, 100]}), [])
    assert [*comparison_table(comparison.rows[:2])][4] == "nats per step (chance 0.173 to 0.52)"
    assert comparison_table(comparison.rows)["Task"] == ["copy", "copy", "recall", "recall"]
    copy, recall, *_ = method_sentences(comparison)
    assert copy.startswith("Task copy: 2 settings × 4 seeds. The nats per step is measured on")
    assert copy.endswith("guessing gets 0.173 to 0.52, at 0.0173 to 0.052 or better it counts as solved.")
    assert recall.endswith("guessing gets 0.125, at 0.95 or better it counts as solved.")


def test_a_report_opens_alone_and_carries_the_grid_to_run_it_again():
    comparison, grid = judged(PLAN, [4, 0, 3, 4]), to_toml(PLAN)
    page = comparison_report(comparison, grid)
    assert "http" not in page.replace(get_plotlyjs(), "")
    assert all(verdict.replace("'", "&#x27;") in page for verdict in comparison.verdicts)
    assert page.count("<tr>") == 5 and page.count('class="plotly-graph-div"') == 7
    (link,) = re.findall(r'href="data:text/plain;base64,([^"]+)"', page)
    assert parse_grid(base64.b64decode(link).decode()) == PLAN
    assert "4 settings × 4 seeds" in page


def test_what_users_name_is_written_as_it_is():
    plan = Plan({"task": "text", "text_file": "english", "cell": "gru", "seeds": 2, "length": 10})
    (experiment,) = plan.experiments()
    hostile = 'text_file = "<script>alert(1)</script>"'
    page = comparison_report(judge(plan, [run_of(experiment, metric=[2.0, 2.5], threshold=None)]), hostile)
    assert "<script>alert" not in page and "&lt;script&gt;alert" in page


def test_costs_and_progress_in_words():
    assert cost_sentence(9, 4, 9, 0, 200) == (
        "9 settings × 4 seeds, about 3 min, including 9 short trainings to choose learning rates."
    )
    assert cost_sentence(1, 1, 0, 0, 4) == "1 setting × 1 seed, about 4 s."
    assert cost_sentence(2, 4, 0, 1, 4).endswith("; 1 of 2 trainings are there already.")
    assert progress_line(2, 18, 9, 60) == "2 of 18 trainings, learning rates first (9), about 60 s left"
    assert progress_line(9, 18, 9, 60) == "9 of 18 trainings, about 60 s left"


def test_a_learning_rate_at_the_end_of_what_was_offered_is_told():
    plan = Plan(PLAN.settings, learning_rates=(0.001, 0.01, 0.1))
    best = {"lstm": 0.01, "gru": 0.1}
    tried = [run_of(each, 2 * (each.learning_rate == best[each.cell])) for each in pilots(plan)]
    said = method_sentences(judge(plan, tried))
    assert "GRU has the largest learning rate offered: a larger one may do better." in said
    assert not any("smallest" in each or "LSTM has" in each for each in said)


def test_a_preview_is_not_called_a_comparison():
    some = judge(PLAN, [run_of(each, 4) for each in PLAN.experiments()[:2]])
    assert preview_sentence(some).startswith("Not yet a fair comparison: 2 of 4 settings, trained before, with the")
    assert np.isnan(some.rows[-1].seconds)
