from dataclasses import replace

import numpy as np

from analysis import Experiment, train
from analysis.report.sentences.runs import count_sentence, farthest_sentence, imported_sentence, runs_list


def test_runs_are_counted():
    assert [count_sentence(*counts) for counts in ((12, 12, 2), (3, 12, 0), (1, 1, 0), (1, 1200, 1))] == [
        "12 runs, 2 chosen", "3 of 12 runs", "1 run", "1 of 1,200 runs, 1 chosen",
    ]  # fmt: skip


def test_what_was_imported_is_told():
    assert imported_sentence(["a*"], 0) == "a\\* was imported: it is ticked below."
    assert imported_sentence(["a"], 1) == "a is here already: it is ticked below."
    assert imported_sentence(["a", "b", "c"], 1) == "2 runs were imported and 1 is here already: they are ticked below."
    assert imported_sentence(["a", "b"], 2) == "2 are here already: they are ticked below."


def test_the_sentence_names_which_gradient_reaches_farthest():
    run = train(Experiment(cell="gru", length=6, hidden_size=4, batch_size=4, steps=4, seeds=1))
    end = run.after.furthest

    def reaching(horizon, **changes):
        decay = replace(run.after, horizon=horizon, **{"horizons": np.array([horizon])} | changes)
        return decay

    runs = {"a": reaching(3.0), "b": reaching(end), "c": reaching(1.0), "d": reaching(1.0)}
    assert farthest_sentence(runs) == (
        f"1 % of the gradient is left farthest back, at least {end:g} time steps, in “b”; "
        "least far, 1 time step, in “c” and “d”."
    )
    assert farthest_sentence({"c": runs["c"], "d": runs["d"]}) == (
        "In all of them 1 % of the gradient is left just as far back: 1 time step."
    )
    wide = reaching(4.0, horizons=np.array([2.0, 4.0]))
    assert farthest_sentence({"wide": wide, "a": runs["a"]}).endswith("in “a”; their ranges over seeds overlap.")
    assert farthest_sentence({"a": runs["a"]}) == ""
    assert farthest_sentence(runs | {"e": reaching(np.nan)}) == ""
    short = reaching(2.0, distance=np.arange(3))
    assert short.censored and farthest_sentence({"a": runs["a"], "short": short}) == ""


def test_runs_are_listed_by_label_and_compared_below():
    decay = train(Experiment(cell="gru", length=6, hidden_size=4, batch_size=4, steps=4, seeds=1)).after
    near, far = replace(decay, horizon=1.0, horizons=np.array([1.0])), replace(decay, horizon=3.0)
    decays = {"a*": near, "b": replace(far, horizons=np.array([3.0]))}
    lines = runs_list({"a*": "accuracy 1", "b": "accuracy 0"}, decays).splitlines()
    assert runs_list({"a": "accuracy 1"}, decays, alike=False).endswith(
        "\n\nTasks or lengths differ, so horizons don't compare."
    )
    assert lines == ["- **a\\***: accuracy 1", "- **b**: accuracy 0", "", farthest_sentence(decays)]
