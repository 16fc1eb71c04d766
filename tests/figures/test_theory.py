import numpy as np

from analysis import Experiment, measure_untrained, predicted_decay
from analysis.figures.decay import decay
from analysis.reasons import Prediction
from analysis.report.reasons import predictions_csv
from analysis.report.sentences.theory import describe_predicted_rate, theory_sentence

RNN, GRU = (Experiment(cell=cell, hidden_size=64, length=20, seeds=2) for cell in ("rnn", "gru"))
RELU = RNN.replace(activation="relu")


def predicted(*experiments):
    return {experiment.cell: predicted_decay(experiment) for experiment in experiments}


def theory_lines(figure):
    return {trace.name: trace for trace in figure.data if "theory" in (trace.name or "")}


def test_it_lies_over_the_measured_curve_with_its_assumption():
    measured = measure_untrained(RNN).decay
    predictions = predicted(RNN, GRU)
    lines = theory_lines(decay({"rnn": measured}, predictions=predictions))
    np.testing.assert_array_equal(lines["RNN theory"].y, predictions["rnn"].relative)
    assert abs(np.log(lines["RNN theory"].y[10] / measured.relative[10])) < 1
    assert lines["RNN theory"].line.color == "#D55E00" and lines["RNN theory"].line.width < 2
    legend = [name.replace("<br>", " ") for name in lines]
    assert "theory, RNN: many units, random weights" in legend
    assert "theory, GRU: many units, random weights and gates" in legend
    by_position = theory_lines(decay({"rnn": measured}, predictions=predictions, position=True))
    np.testing.assert_array_equal(by_position["RNN theory"].x, 19 - lines["RNN theory"].x)


def test_sizes_themselves_have_no_theory():
    assert not theory_lines(decay({"rnn": measure_untrained(RNN).decay}, predictions=predicted(RNN), relative=False))


def test_a_cell_without_theory_has_no_line_and_says_why():
    predictions = predicted(RELU, GRU)
    assert not any("RNN" in name for name in theory_lines(decay({}, predictions=predictions)))
    assert "No theory for the RNN: for relu there is no theory here" in theory_sentence(predictions)
    assert "Theory for the GRU: mean field with tied weights" in theory_sentence(predictions)
    assert describe_predicted_rate(predictions["rnn"]) == "no theory"
    assert describe_predicted_rate(None) == "not shown"


def test_the_predicted_rate_is_said_as_the_measured_one():
    none = np.empty(0)
    prediction = Prediction("name", "assumption", none, none, none, np.log(0.5), np.nan)
    assert describe_predicted_rate(prediction) == "×0.5 kept per time step (−0.693 nats)"


def test_the_table_has_a_row_for_each_distance_with_theory():
    lines = predictions_csv(predicted(RELU, GRU)).splitlines()
    assert lines[0].startswith("cell,theory,assumption,distance,")
    assert len(lines) == 21 and all(line.startswith("gru,") for line in lines[1:])
