from dataclasses import replace

import numpy as np

from analysis import Experiment, train
from analysis.report.sentences.runs import farthest_sentence, runs_list


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
    assert lines == ["- a\\*: accuracy 1", "- b: accuracy 0", "", farthest_sentence(decays)]
