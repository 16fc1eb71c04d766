"""The picture of a held gate: its numbers are the results', its axes stay, and words are never markup."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.figures import style
from analysis.figures.held import held as draw
from analysis.lesson.held import HELD_GATES, hold_gate
from analysis.tasks.vocabulary import split_words
from tests.helpers.readings import weights_of, words_experiment

GATES = [(cell, gate) for cell, gates in HELD_GATES.items() for gate in gates]
SENTENCE = "If <b> isn't found, 你 get None."


def readings(cell="lstm", gate="forget", value=0.9, sentence=SENTENCE):
    experiment = words_experiment(cell)
    weights, words = weights_of(experiment), split_words(sentence)
    return hold_gate(experiment, weights, words, gate, None), hold_gate(experiment, weights, words, gate, value)


def lines(figure, panel):
    return {trace.name: trace for trace in figure.data if trace.yaxis == f"y{panel}"}


@pytest.mark.parametrize(("cell", "gate"), GATES)
def test_both_panels_show_the_results(cell, gate):
    as_it_is, held = readings(cell, gate)
    figure, name = draw(as_it_is, held), f"{gate} gate held at 0.9"
    sizes, lefts = lines(figure, ""), lines(figure, "2")
    assert list(sizes) == ["as it is", name]
    for title, reading in (("as it is", as_it_is), (name, held)):
        np.testing.assert_array_equal(sizes[title].y, np.abs(reading.memory).mean(1))
        np.testing.assert_array_equal(lefts[title].y, reading.left)
        assert sizes[title].line == lefts[title].line and sizes[title].showlegend and not lefts[title].showlegend
    assert sizes[name].line.color == style.GATE_COLOURS[gate]
    assert sizes["as it is"].line.color == style.faded(style.COLOURS[cell], 0.55)
    power = lefts.get("0.9<sup>k</sup>, the gate alone")
    assert (power is not None) == (gate in ("forget", "update"))
    if power is not None:
        np.testing.assert_allclose(power.y, 0.9 ** np.arange(len(held.words)))
        assert power.showlegend
    assert figure.layout.yaxis.title.text == f"mean |{'c' if cell == 'lstm' else 'h'}|"
    assert figure.layout.yaxis2.type is None  # linear


def test_the_axes_stay_until_numbers_pass_1():
    as_it_is, held = (replace(each, cell_state=np.tanh(each.cell_state)) for each in readings())
    figures = [draw(as_it_is, each) for each in (held, replace(held, cell_state=held.cell_state / 9, value=0.1))]
    for axis in ("yaxis", "yaxis2"):
        assert figures[0].layout[axis].range == figures[1].layout[axis].range
        assert figures[0].layout[axis].range[1] == 1.05
    grown = replace(held, cell_state=held.cell_state + 3, gradient=held.gradient[0] * np.arange(1, len(held.words) + 1))
    layout = draw(as_it_is, grown).layout
    assert layout.yaxis.range[1] > grown.size.max() and layout.yaxis2.range[1] > len(held.words)


def test_a_gradient_that_is_none_or_endless_is_a_gap():
    as_it_is, held = readings(gate="output", value=0.0)
    for reading in (held, replace(held, gradient=np.full(len(held.words), np.inf))):
        assert np.isnan(lines(draw(as_it_is, reading), "2")["output gate held at 0"].y).all()


def test_words_are_named_and_never_markup():
    figure = draw(*readings())
    ticks = figure.layout.xaxis.ticktext
    assert ticks == ("If", ".")
    assert draw(*readings(sentence="<b> isn't <i")).layout.xaxis.ticktext == ("&lt;", "i")
    assert draw(*readings(sentence="hello")).layout.xaxis.ticktext == ("hello",)
