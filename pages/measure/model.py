"""Your model: a state dict and inputs of one's own, through every view."""

import streamlit as st

from analysis.figures import bounds as bounds_figures
from analysis.figures import gates as gates_figures
from analysis.figures.decay import decay
from analysis.figures.memory import memory as memory_figure
from analysis.figures.spectrum import gradient_matrix as matrix_figure
from analysis.measures.decay import at_threshold
from analysis.measures.gates import gate_sample
from analysis.measures.memory import output_memory
from analysis.measures.spectrum import gradient_matrix
from analysis.models.layers import to_module
from analysis.models.measuring import measure_module
from analysis.report.sentences.gates import ENDS, describe_notable_gates, saturation_sentence
from analysis.report.sentences.model import rate_sentence, reach_sentence
from analysis.report.tables import model_tables
from analysis.results import GateSample, Measured
from pages.ui import controls, export, layout, model, sidebar

layout.title(
    "How far back does your model remember?",
    "Files stay in this session's memory alone, and nothing in them is executed. The sidebar doesn't apply here.",
)
sidebar.show()  # nothing of it
chosen = model.choose()
cell, inputs = chosen.stack.cell, chosen.inputs
module = to_module(chosen.stack, chosen.nonlinearity)


def measure_and_sample() -> tuple[Measured, GateSample | None]:
    """Measure the model; return the gates of its first sequence too, as the tape is too large to keep."""
    measured, tape = measure_module(module, inputs)
    return measured, gate_sample(tape) if tape.gates else None


measured, sample = model.once("model", chosen.key, "measured", measure_and_sample)
memory = model.once("model", chosen.key, "memory", lambda: output_memory(module, inputs))
look = controls.decay()
curve = at_threshold(measured.decay, look.threshold)
carry = {cell: measured.decays["carry"]} if look.carry and "carry" in measured.decays else {}
pictures = {
    "decay": decay(
        {cell: curve},
        carry=carry,
        spread=look.spread,
        relative=look.relative,
        position=look.position,
        full_depth=look.full_depth,
    )
}
layout.chart(pictures["decay"], "decay", "Gradient left against distance")
layout.says(reach_sentence(cell, curve, memory))
if rate := rate_sentence(curve):
    st.markdown(rate)

names = ("Memory", "Gates", "Bounds", "Gradient matrix")
memory_tab, gates_tab, bounds_tab, matrix_tab = st.tabs(names, key="model_tab", bind="query-params")
with memory_tab:
    pictures["memory"] = memory_figure({cell: memory}, chance_name="nothing seen")
    layout.chart(pictures["memory"], "memory", "Change of the last output by the number of steps seen")
    st.caption(
        "How far the last output is from the true one when the network starts from zero this many time steps before. "
        "Its training may never have had such a start."
    )
with gates_tab:
    if sample is None:
        st.caption("An RNN has no gates.")
    else:
        pictures["gates"] = gates_figures.histograms({cell: measured.saturation})
        layout.chart(pictures["gates"], "gates", "Histogram of every gate's values")
        st.caption(ENDS)
        st.markdown(saturation_sentence(cell.upper(), measured.saturation))
        st.caption(describe_notable_gates(cell.upper(), measured.saturation))
        pictures["gates-in-time"] = gates_figures.sample_map({cell: sample})
        layout.chart(pictures["gates-in-time"], "gates-in-time", "Every gate at every step of the first sequence")
with bounds_tab:
    for state in ("hidden", "cell") if cell == "lstm" else ("hidden",):
        pictures[f"{state}-state"] = bounds_figures.sizes({chosen.nonlinearity: measured.bounds}, state)
        layout.chart(pictures[f"{state}-state"], f"{state}-state", f"Size of the {state} state over time")
if matrix_tab.open:
    with matrix_tab:
        last = inputs[: model.MATRIX_SEQUENCES, -model.MATRIX_STEPS :]
        matrix = model.once("model", chosen.key, "matrix", lambda: gradient_matrix(module, last))
        pictures["gradient-matrix"] = matrix_figure(matrix, first=inputs.shape[1] - len(matrix))
        layout.chart(
            pictures["gradient-matrix"], "gradient-matrix", "Gradient of every step's loss by every earlier state"
        )
        st.caption("A row is the loss at one step, going left is going back. Blue fades, orange grows.")
export.row(
    "model",
    pictures,
    {},
    model_tables(cell, measured.decays, memory),
    commands=() if chosen.example else (chosen.command,),
)
