from dataclasses import replace

import numpy as np
import pytest
import torch

from analysis import Experiment
from analysis.engine.initialization import initial_weights
from analysis.figures import gates as figures
from analysis.measures.gates import example_batch, gate_moments, gate_sample, gate_saturation, steps_read
from analysis.measures.meter import Meter
from analysis.results import GateSample
from analysis.tasks.registry import build_task

GATES = {"lstm": ("forget", "input", "candidate", "output"), "gru": ("update", "reset", "candidate")}


def look(cell, task="recall", **settings):
    """Return a tape and what its sequences show."""
    experiment = Experiment(cell=cell, task=task, length=12, hidden_size=5, seeds=2, **settings)
    built = build_task(experiment)
    batch = example_batch(experiment, built, 4)
    weights, _ = initial_weights(experiment, built.inputs, built.outputs)
    return Meter(experiment, built, batch).tape(weights), steps_read(built, batch.inputs), batch


@pytest.fixture(scope="module")
def tapes():
    return {cell: look(cell, gain=2) for cell in GATES}


@pytest.fixture(scope="module")
def saturations(tapes):
    return {cell: gate_saturation(tape) for cell, (tape, _, _) in tapes.items()}


def traces(figure, kind):
    return {trace.name: trace for trace in figure.data if trace.type == kind}


def test_a_histogram_is_the_share_of_all_values_in_each_bin(tapes, saturations):
    bars = traces(figures.histograms(saturations), "bar")
    assert set(bars) == {f"{cell} {gate}" for cell, gates in GATES.items() for gate in gates}
    for cell, (tape, _, _) in tapes.items():
        for gate, values in tape.gates.items():
            bar, edges = bars[f"{cell} {gate}"], saturations[cell][gate].edges
            expected = np.histogram(values, edges)[0] / values.size
            np.testing.assert_allclose(bar.y, expected)
            assert np.sum(bar.y) == pytest.approx(1)
            np.testing.assert_allclose(bar.x, (edges[1:] + edges[:-1]) / 2)


def test_before_is_an_outline_of_those_cells_that_are_trained(saturations):
    figure = figures.histograms(saturations, {"gru": saturations["gru"]})
    lines = traces(figure, "scatter")
    assert {name for name in lines if "before" in name} == {
        *(f"gru {gate} before" for gate in GATES["gru"]), "before training"}  # fmt: skip
    np.testing.assert_array_equal(lines["gru update before"].y[::2], saturations["gru"]["update"].shares)
    assert not traces(figures.histograms(saturations, {}), "scatter")
    renamed = figures.histograms(saturations, {"gru": saturations["gru"]}, before_name="pass 7")
    assert "pass 7" in traces(renamed, "scatter") and "before training" not in traces(renamed, "scatter")


def test_all_histograms_share_one_axis_and_say_the_ends(saturations):
    open_, shut = replace(saturations["gru"]["update"]), saturations["gru"]["update"]
    figure = figures.histograms({"gru": {"update": replace(open_, right=np.full((2, 1, 5), 0.25)), "reset": shut}})
    assert all(axis.matches == "y" for axis in figure.select_yaxes())
    highest = max(max(trace.y) for trace in figure.data if trace.type == "bar" and trace.y[0] is not None)
    assert figure.layout.yaxis.range[1] > 1.3 * highest  # above the bars stand the shares
    assert any(note.text == "25%" for note in figure.layout.annotations)


@pytest.mark.parametrize("activation", ["relu", "identity"])
def test_a_candidate_without_bounds_has_a_histogram_and_no_ends(activation):
    saturation = {"lstm": gate_saturation(look("lstm", activation=activation)[0])}
    assert saturation["lstm"]["candidate"].ends is None
    assert sum(traces(figures.histograms(saturation), "bar")["lstm candidate"].y) == pytest.approx(1)
    assert "candidate" not in traces(figures.saturated_units(saturation), "scatter")


@pytest.mark.parametrize("cells", [("lstm",), ("gru",), ("lstm", "gru")])
def test_a_sequence_is_drawn_unit_by_unit_or_as_their_mean(tapes, cells):
    samples = {cell: gate_sample(tapes[cell][0], tapes[cell][1], model=1, sample=2) for cell in cells}
    maps, lines = figures.sample_map(samples), figures.sample_mean(samples)
    for cell in cells:
        tape, _, batch = tapes[cell]
        keep = {"lstm": "forget", "gru": "update"}[cell]
        order = np.argsort(tape.gates[keep][1, -1, :, 2].mean(0))
        for gate in GATES[cell]:
            values = tape.gates[gate][1, -1, :, 2]
            drawn = traces(maps, "heatmap")[f"{cell} {gate}"]
            percent = 1 if gate == "candidate" else 100  # half a percent is not seen
            np.testing.assert_allclose(drawn.z / percent, values[:, order].T, atol=0.0051)
            assert [*drawn.y] == [f"unit {unit}" for unit in order]
            np.testing.assert_allclose(traces(lines, "scatter")[f"{cell} {gate}"].y, values.mean(1))
        symbol = int(np.flatnonzero(batch.inputs[:, 2, :-2].sum(-1))[0])
        assert [*samples[cell].reads["symbol"]] == [symbol]
        assert [*samples[cell].reads["cue"]] == [11]
        marks = {shape.x0 for shape in maps.layout.shapes}
        assert {symbol, 11} <= marks
    assert {note.text for note in maps.layout.annotations} >= {"symbol", "cue"}


def test_a_panel_has_the_name_of_its_gate_above_it(saturations):
    figure = figures.histograms(saturations)  # a GRU has no output gate: there is no panel beside the LSTM's
    panels = {f"{trace.name}": trace.yaxis for trace in figure.data}
    for note in figure.layout.annotations:
        if (gate := note.text.lower()) in panels:
            number = panels[gate][1:]
            assert note.y == figure.layout[f"yaxis{number}"].domain[1]
            assert note.x == pytest.approx(np.mean(figure.layout[f"xaxis{number}"].domain))
            del panels[gate]
    assert not panels


def test_ends_say_what_a_gate_does_there(saturations):
    def written(figure, panel):
        return [note.text for note in figure.layout.annotations if note.xref == f"x{panel}" and note.y == 0]

    both = figures.histograms(saturations)
    assert [written(both, panel) for panel in ("", 2, 3, 6)] == [
        ["0 erases", "1 keeps"], ["0 replaces", "1 keeps"], ["0 shut", "1 open"], ["−1", "1"]]  # fmt: skip
    unbounded = {"gru": gate_saturation(look("gru", activation="identity")[0])}
    assert written(figures.histograms(unbounded), 3) == ["≤ −4", "≥ 4"]


def test_a_large_map_is_thinned_and_small(tapes):
    rng = np.random.default_rng(0)
    gates = dict.fromkeys(("reset", "update", "candidate"), rng.uniform(0, 1, (1000, 512)))
    large = GateSample(gates=gates, units=np.arange(512), reads={})
    figure = figures.sample_map({"gru": large})
    for trace in figure.data:
        units = [int(name.removeprefix("unit ")) for name in trace.y]
        assert len(set(np.diff(units))) == 1 and np.array(trace.z).size <= figures.SQUARES
        percent = 1 if "candidate" in trace.name else 100
        np.testing.assert_allclose(trace.z[1] / percent, gates["update"][:, units[1]], atol=0.0051)
    assert len(figure.to_json()) < 200_000


def test_values_beyond_single_precision_are_drawn():
    candidate = np.array([[1e300, -1e300], [0.5, np.nan]])
    update = np.array([[0.2, 0.4], [0.5, np.nan]])
    sample = GateSample(gates={"candidate": candidate, "update": update}, units=np.arange(2), reads={})
    update, drawn = figures.sample_map({"gru": sample}).data
    assert (update.name, drawn.name) == ("gru update", "gru candidate")
    assert np.isfinite(drawn.z[0][0]) and np.isnan(update.z[1][1])


def test_axes_say_what_they_are(tapes, saturations):
    samples = {cell: gate_sample(tape, reads) for cell, (tape, reads, _) in tapes.items()}
    for figure, across, up in (
        (figures.histograms(saturations), "value", "share"),
        (figures.sample_map(samples), "time step", "unit"),
        (figures.sample_mean(samples), "time step", "mean"),
    ):
        outer = [figure.layout[f"yaxis{panel}"].title.text for panel in ("", 3, 5, 6)]
        assert outer == [up] * 4  # all that stand left
        below = {axis.title.text for axis in figure.select_xaxes()}
        assert below == {None, across}


def test_means_before_at_and_after_the_symbol(tapes):
    tape, reads, batch = tapes["gru"]
    result = gate_moments(tape, reads)
    assert result.moments == ("before", "at the symbol", "after", "at the cue")
    symbol = int(batch.inputs[:, 0, :-2].sum(-1).argmax())  # at one distance in all sequences
    gate = tape.gates["update"][:, -1]
    expected = [gate[:, :symbol], gate[:, symbol : symbol + 1], gate[:, symbol + 1 : -1], gate[:, -1:]]
    np.testing.assert_allclose(result.units["update"], [part.mean(axis=(1, 2)) for part in expected])
    figure = figures.moments({"gru": result})
    assert [trace.name for trace in figure.data if trace.showlegend is not False] == [*result.moments]
    bars = {trace.name: trace for trace in figure.data if trace.showlegend is False}
    for k, moment in enumerate(result.moments):
        np.testing.assert_allclose(bars[moment].y[0], result.units["update"][k].mean())
        assert np.isfinite(np.array(bars[moment].y, float)).all()
        assert (np.array(bars[moment].error_y.array) >= 0).all()


@pytest.mark.parametrize(
    "task, what, count", [("adding", "marked value", 2), ("order", "symbol", 2), ("copy", "symbol", 10)]
)
def test_other_tasks_have_steps_to_remember_too(task, what, count):
    tape, reads, batch = look("lstm", task)
    assert next(iter(reads)) == what
    assert (reads[what].sum(0) == count).all()
    assert gate_moments(tape, reads).moments[1] == f"at the {what}"
    if task == "copy":  # starts with what is to be remembered
        assert np.isnan(gate_moments(tape, reads).mean["forget"][0])
        assert reads["cue"].sum() == batch.inputs.shape[1]


def test_text_has_no_such_step():
    tape, reads, _ = look("gru", "text")
    assert reads == {}
    assert gate_moments(tape, reads).moments == ()
    assert not figures.sample_map({"gru": gate_sample(tape, reads)}).layout.shapes


def test_an_rnn_has_no_gates():
    tape, reads, _ = look("rnn")
    for call in (lambda: gate_sample(tape, reads), lambda: gate_moments(tape, reads)):
        with pytest.raises(ValueError, match="rnn: only an LSTM or a GRU"):
            call()


def test_a_dot_per_unit_lies_under_the_line(saturations):
    figure = figures.saturated_units(saturations)
    for cell, gates in saturations.items():
        for gate, saturation in gates.items():
            dots = [t for t in figure.data if t.name == gate and len(t.x) == saturation.left.size]
            assert any(np.array_equal(t.x, saturation.right.ravel()) for t in dots), (cell, gate)
            for t in dots:
                assert (np.array(t.x) + np.array(t.y) <= 1).all()


def test_many_dots_are_thinned(saturations):
    shares = torch.rand(64, 4, 512).numpy() / 2
    many = {"gru": {"update": replace(saturations["gru"]["update"], left=shares, right=shares)}}
    assert len(traces(figures.saturated_units(many), "scatter")["update"].x) <= figures.DOTS
