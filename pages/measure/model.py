"""Your model: a state dict and inputs of one's own, through every view."""

from functools import partial

import streamlit as st

from analysis.figures import bounds as bounds_figures
from analysis.figures import gates as gates_figures
from analysis.figures.decay import decay
from analysis.figures.spectrum import gradient_matrix as matrix_figure
from analysis.measures.decay import at_threshold
from analysis.measures.spectrum import gradient_matrix
from analysis.models.layers import to_module
from analysis.report.model_tables import model_tables
from analysis.report.sentences.gates import ENDS, describe_notable_gates, saturation_sentence
from analysis.report.sentences.model import GATES, MATRIX, NO_MATRIX, method_sentence, rate_sentence, reach_sentence
from pages.ui import answers, controls, export, keeping, layout, model, sidebar

WORDS = ("gradient", "vanishing gradient", "horizon", "saturation", "carry", "half-life")
layout.title("How far back does your model remember?", "", *WORDS)
sidebar.show()  # nothing of it
chosen = model.choose()
stack, inputs, cell = chosen.stack, chosen.inputs, chosen.stack.cell
module = to_module(stack, chosen.nonlinearity)
key = chosen.key, chosen.layer
measured, sample, scales = keeping.once("model", key, "measured", lambda: model.measure(module, chosen))
found = answers.Found(module, chosen, scales)

finding = st.container()  # the first screen; what the picture is drawn with stands below it
look = controls.decay()
curve = at_threshold(measured.decay, look.threshold)
carry = {cell: measured.decays["carry"]} if look.carry and "carry" in measured.decays else {}
drawings = {  # by name; called where a tab is open, and for the download
    "decay": lambda: decay(
        {cell: curve},
        carry=carry,
        spread=look.spread,
        relative=look.relative,
        position=look.position,
        full_depth=look.full_depth,
    ),
} | answers.drawings(found)
if sample:
    drawings["gates"] = lambda: gates_figures.histograms({cell: measured.saturation})
    drawings["gates-in-time"] = lambda: gates_figures.sample_map({cell: sample})
states = ("hidden", "cell") if cell == "lstm" else ("hidden",)
for state in states:
    drawings[f"{state}-state"] = partial(bounds_figures.sizes, {chosen.nonlinearity: measured.bounds}, state)


def show(name: str, alt: str) -> None:
    """Draw a picture, anew only where it shows something else."""
    picture = keeping.once(name, (key, look), "picture", lambda: layout.Kept(drawings[name]()))
    layout.chart(picture, f"model-{name}", alt)


with finding:
    layout.says(reach_sentence(cell, curve, found.look_back))
    show("decay", "Gradient left against distance")
st.markdown(rate_sentence(curve))
st.caption(method_sentence(stack.layers, stack.others, chosen.layer))

names = (*answers.NAMES, "Gates", "Bounds", "Gradient matrix")
past_tab, force_tab, inputs_tab, gates_tab, bounds_tab, matrix_tab = st.tabs(
    names, key="model_tab", bind="query-params"
)
if past_tab.open:
    with past_tab:
        answers.show_look_back(found, show)
if force_tab.open:
    with force_tab:
        answers.show_in_force(found, show)
if inputs_tab.open:
    with inputs_tab:
        answers.show_inputs(found, show)
if gates_tab.open:
    with gates_tab:
        if not sample:
            st.caption("An RNN has no gates.")
        else:
            st.markdown(saturation_sentence(cell.upper(), measured.saturation))
            st.caption(describe_notable_gates(cell.upper(), measured.saturation))
            show("gates", "Histogram of every gate's values")
            st.caption(ENDS)
            show("gates-in-time", "Every gate at every time step of the first sequence")
            st.caption(GATES)
if bounds_tab.open:
    with bounds_tab:
        for state in states:
            show(f"{state}-state", f"Size of the {state} state over time")
if matrix_tab.open:
    with matrix_tab:
        if stack.plain:
            last = inputs[: model.MATRIX_SEQUENCES, -model.MATRIX_STEPS :]
            matrix = keeping.once("model", key, "matrix", lambda: gradient_matrix(module, last))
            drawings["gradient-matrix"] = partial(matrix_figure, matrix, first=inputs.shape[1] - len(matrix))
            show("gradient-matrix", "Gradient of every time step's loss by every earlier state")
        st.caption(MATRIX if stack.plain else NO_MATRIX)
tables = model_tables(cell, measured.decays, found)
export.row("model", drawings, {}, tables, commands=() if chosen.example else (chosen.command,))
