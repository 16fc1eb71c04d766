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
from pages.ui import controls, export, gates, layout, model

layout.title(
    "How far back does your model remember?",
    "Files stay in this session's memory alone, and nothing in them is executed. The sidebar doesn't apply here.",
)
chosen = model.choose()
cell, inputs = chosen.found.cell, chosen.inputs
module = to_module(chosen.found, chosen.nonlinearity)


def everything():
    measured, tape = measure_module(module, inputs)
    return measured, gate_sample(tape) if tape.gates else None


measured, sample = model.once("model", chosen.key, "measured", everything)
seen = model.once("model", chosen.key, "memory", lambda: output_memory(module, inputs))
look = controls.decay()
found = at_threshold(measured.decay, look.threshold)
carry = {cell: measured.decays["carry"]} if look.carry and "carry" in measured.decays else {}
drawn = {
    "decay": decay(
        {cell: found},
        carry=carry,
        spread=look.spread,
        relative=look.relative,
        position=look.position,
        full_depth=look.full_depth,
    )
}
layout.chart(drawn["decay"], "decay", "Gradient left against distance")
layout.says(model.sentence(cell, found, seen))
if said := model.rates(found):
    st.markdown(said)

names = ("Memory", "Gates", "Bounds", "Gradient matrix")
memory_tab, gates_tab, bounds_tab, matrix_tab = st.tabs(names, key="model_tab", bind="query-params")
with memory_tab:
    drawn["memory"] = memory_figure({cell: seen}).update_annotations(
        text="nothing seen", xanchor="right", yanchor="top"
    )
    layout.chart(drawn["memory"], "memory", "Change of the last output by the number of steps seen")
    st.caption("How far the last output is from the true one when the network starts from zero this many steps before.")
with gates_tab:
    if sample is None:
        st.caption("An RNN has no gates.")
    else:
        drawn["gates"] = gates_figures.histograms({cell: measured.saturation})
        layout.chart(drawn["gates"], "gates", "Histogram of every gate's values")
        st.caption(gates.ENDS)
        st.markdown(gates.sentence(cell.upper(), measured.saturation))
        drawn["gates-in-time"] = gates_figures.sample_map({cell: sample})
        layout.chart(drawn["gates-in-time"], "gates-in-time", "Every gate at every step of the first sequence")
with bounds_tab:
    for of in ("hidden", "cell") if cell == "lstm" else ("hidden",):
        drawn[f"{of}-state"] = bounds_figures.sizes({chosen.nonlinearity: measured.bounds}, of)
        layout.chart(drawn[f"{of}-state"], f"{of}-state", f"Size of the {of} state over time")
if matrix_tab.open:
    with matrix_tab:
        last = inputs[: model.MATRIX_SEQUENCES, -model.MATRIX_STEPS :]
        matrix = model.once("model", chosen.key, "matrix", lambda: gradient_matrix(module, last))
        drawn["gradient-matrix"] = matrix_figure(matrix, first=inputs.shape[1] - len(matrix))
        layout.chart(
            drawn["gradient-matrix"], "gradient-matrix", "Gradient of every step's loss by every earlier state"
        )
        st.caption("A row is the loss at one step, going left is going back. Blue fades, orange grows.")
export.row("model", drawn, {}, model.tables(cell, measured, seen), commands=() if chosen.example else (chosen.command,))
