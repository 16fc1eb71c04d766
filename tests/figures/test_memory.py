"""What training never had is drawn as open marks, and named in the legend."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.figures import comparison
from analysis.figures.decay import decay, with_memory
from analysis.figures.memory import UNTRAINED, memory
from tests.helpers.runs import trained

RUN = trained("lstm")
LAST = np.arange(5) == 4
MARKED = replace(RUN, memory=replace(RUN.memory, trained=LAST))


def pictures(run):
    return {
        "alone": memory({"lstm": run.memory}),
        "position": memory({"lstm": run.memory}, position=True),
        "below a decay": with_memory(decay({"lstm": run.after}), {"lstm": run.memory}),
        "of several runs": comparison.memory({"LSTM": run}),
    }


def in_legend(figure):
    return [trace.name for trace in figure.data if trace.showlegend is not False]


@pytest.mark.parametrize("where", pictures(RUN))
def test_what_was_never_trained_has_open_marks(where):
    figure = pictures(MARKED)[where]
    (marks,) = (trace for trace in figure.data if trace.name == f"LSTM, {UNTRAINED}")
    answered = [trace for trace in figure.data if trace.name == "LSTM"][-1]  # above it may be its gradient
    distance = RUN.memory.distance[-1] - RUN.memory.distance if where == "position" else RUN.memory.distance
    assert (marks.mode, marks.marker.symbol) == ("markers", "circle-open")
    np.testing.assert_array_equal(marks.x, distance[~LAST])
    np.testing.assert_array_equal(marks.y, RUN.memory.value[~LAST])
    assert "markers" in answered.mode  # one distance alone would be no line
    np.testing.assert_array_equal(answered.x, distance)
    np.testing.assert_array_equal(answered.y, np.where(LAST, RUN.memory.value, np.nan))
    assert in_legend(figure).count(UNTRAINED) == 1
    assert marks.showlegend is False and marks.yaxis == answered.yaxis


@pytest.mark.parametrize("trained", [np.ones(5, bool), None])
@pytest.mark.parametrize("where", pictures(RUN))
def test_where_all_is_trained_or_nothing_is_known_there_are_none(where, trained):
    figure = pictures(replace(RUN, memory=replace(RUN.memory, trained=trained)))[where]
    assert UNTRAINED not in in_legend(figure)
    assert not [trace for trace in figure.data if UNTRAINED in trace.name]
    assert any(np.array_equal(trace.y, RUN.memory.value) and trace.mode == "lines" for trace in figure.data)


@pytest.mark.parametrize(("repeating", "labelled"), [(None, False), (0.3, True), (RUN.chance + 0.01, False)])
def test_what_repeating_the_last_value_gets_is_drawn_in_forecasts(repeating, labelled):
    forecast = replace(RUN.memory, metric_name="mse", repeating=repeating, high=np.full(5, 0.6))
    for figure in (memory({"lstm": forecast}), with_memory(decay({"lstm": RUN.after}), {"lstm": forecast})):
        drawn = [trace for trace in figure.data if trace.name == "repeating the last value"]
        assert [trace.y[0] for trace in drawn] == [repeating] * (repeating is not None)
        assert ("repeat" in [note.text for note in figure.layout.annotations]) == labelled
