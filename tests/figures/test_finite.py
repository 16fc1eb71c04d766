import numpy as np

from analysis import Experiment
from analysis.figures.finite import changes
from analysis.measures.finite import measure_changes
from analysis.report.reasons import changes_csv


def measured(**settings):
    return measure_changes(Experiment(hidden_size=4, length=8, seeds=2, **settings))


def test_real_and_tiny_changes_lie_over_right_answers():
    now = {"lstm": measured(), "rnn": measured(cell="rnn")}
    before = {"lstm": now["lstm"]}
    traces = {trace.name: trace for trace in changes(now, before, {"lstm": "trained"}).data}
    np.testing.assert_array_equal(traces["LSTM (trained): another symbol"].y, now["lstm"].state)
    np.testing.assert_array_equal(traces["RNN tiny"].y, now["rnn"].tiny)
    np.testing.assert_array_equal(traces["LSTM answers"].y, now["lstm"].right)
    assert traces["LSTM before"].line.width < traces["LSTM (trained): another symbol"].line.width
    assert "chance" in traces and "before training" in traces


def test_tiny_changes_end_where_truncation_cuts():
    now = {"lstm": measured(truncate=3)}
    drawn = next(trace for trace in changes(now).data if trace.name == "LSTM tiny").y
    np.testing.assert_array_equal(drawn, [now["lstm"].tiny[0], *[np.nan] * 6])  # the last window has two steps
    assert np.isfinite(now["lstm"].tiny).all()


def test_where_right_is_not_known_changed_answers_are_drawn():
    now = {"gru": measured(cell="gru", task="order")}
    figure = changes(now)
    traces = {trace.name: trace for trace in figure.data}
    np.testing.assert_array_equal(traces["GRU answers"].y, now["gru"].answer)
    assert "chance" not in traces and "change" in figure.layout.yaxis2.title.text


def test_models_out_of_range_leave_gaps():
    linear = {"cell": "rnn", "activation": "identity", "gain": 3, "init": "orthogonal"}
    now = {"rnn": measure_changes(Experiment(hidden_size=2, length=800, seeds=1, **linear))}
    assert np.isnan(changes(now).data[1].y.astype(float)).all()


def test_the_table_has_a_row_for_each_distance_and_phase():
    change = measured()
    lines = changes_csv({"lstm": change}, {"lstm": change}).splitlines()
    assert len(lines) == 1 + 2 * 7
    assert lines[1].startswith("lstm,before,symbol,1,") and lines[-1].startswith("lstm,after,symbol,7,")
