"""Activation bounds: what tanh holds back, in a textbook case and in a real cell."""

import numpy as np
import streamlit as st

from analysis.bounds import repeat, vector
from analysis.config import Experiment
from analysis.figures import bounds as figures
from analysis.results import Measured, Repeated
from analysis.wording import listed, number
from pages.ui import export, layout, measure, sidebar

ACTIVATIONS = ("tanh", "relu", "identity")
PRESET, SIDEBAR = "orthogonal, gain 1.5", "as in the sidebar"


def multiplied(result: Repeated) -> tuple[str, str]:
    """Say what multiplying did to a vector, with tanh and without, in a sentence and in detail."""
    rows = (result.plain[0], result.plain[-1], result.bounded[-1])
    start, end, held = (np.abs(row[row != 0]) for row in rows)
    if not len(start):
        return "Zero stays zero, with tanh and without.", ""
    largest = [number(sizes.max(initial=0)) for sizes in (start, end, held)]
    said = f"After {len(result.plain) - 1} steps the largest size went from {largest[0]} to {largest[1]}, "
    said += f"through tanh to {largest[2]}."
    if len(held) < 2:
        return said, ""
    was, now = (sizes.max() / sizes.min() for sizes in (start, held))
    erased = "tanh also erases size: " if now < 1.01 < was else ""
    detail = f"{erased}the largest entry was {number(was)} times the smallest and is {number(now)} times through tanh, "
    return said, f"{detail}where every entry tends to {'±' * (result.limit > 0)}{number(result.limit)}. "


def left(result: Repeated) -> str:
    """Say at which step the vector without tanh leaves floating point."""
    for what, steps in (("grows beyond", result.overflow), ("falls below the normal numbers of", result.underflow)):
        if steps["float64"] is not None:
            each = listed([f"{name} at step {step:,}" for name, step in steps.items()])
            return f"×{result.factor:g} at every step, the largest entry {what} {each}."
    return f"×{result.factor:g} at every step, it never leaves floating point."


def held_back(cell: str, measured: dict[str, Measured]) -> tuple[str, str]:
    """Say how large state and gradient became with tanh, in a sentence, and with the others."""
    largest = {name: found.bounds.hidden[-1].max() for name, found in measured.items()}
    grown = {name: found.decay.relative[-1] for name, found in measured.items()}
    times = {name: f"×{number(g)}" if np.isfinite(g) else "beyond floating point" for name, g in grown.items()}
    k = measured["tanh"].decay.distance[-1]
    yet = f"yet {k} steps back the gradient has grown" if grown["tanh"] > 1 else f"and {k} steps back the gradient is"
    said = f"{cell.upper()}: with tanh |h| stays within {number(largest['tanh'])}, {yet} {times['tanh']}."
    others = [
        f"with {name} |h| reaches {number(largest[name])}, the gradient {times[name]}" for name in ACTIVATIONS[1:]
    ]
    lesson = " tanh bounds the state, not the gradient." if grown["tanh"] > 1 >= largest["tanh"] else ""
    return said, f"The same weights {listed(others)}.{lesson}"


def start(experiment: Experiment) -> Experiment:
    """Draw the switch between weights that show the effect and the sidebar's; moving the sidebar chooses those."""
    touched = (experiment.init, experiment.gain) != ("default", 1.0)
    moved = st.session_state.get("sidebar_touched", touched) != touched
    if moved or "bounds_start" not in {*st.session_state, *st.query_params}:
        st.session_state["bounds_start"] = SIDEBAR if touched else PRESET
    st.session_state["sidebar_touched"] = touched
    chosen = st.segmented_control(
        "Recurrent weights", [PRESET, SIDEBAR], required=True, key="bounds_start", bind="query-params"
    )
    return experiment.replace(init="orthogonal", gain=1.5) if chosen == PRESET else experiment


layout.title(
    "What does tanh hold back?",
    "A recurrent network multiplies its state by the same numbers at every step. Here: a vector, times one number.",
)
settings = sidebar.settings()
with st.container(horizontal=True, vertical_alignment="bottom"):
    text = st.text_input("Vector", "0.02, 0.1, -0.5, 1", key="vector", bind="query-params", max_chars=100, width=220)
    factor = st.slider("Times, at every step", 0.1, 5.0, 3.0, 0.1, key="factor", bind="query-params", width=220)
    log = st.segmented_control(
        "Axis", ["linear", "log"], default="linear", required=True, key="axis", bind="query-params"
    )
drawn = {}
try:
    textbook = repeat(vector(text), factor)
except ValueError as error:
    st.error(str(error))
else:
    drawn["multiplied"] = figures.repeated(textbook, log == "log")
    layout.chart(
        drawn["multiplied"], "multiplied", "Entries of a vector, multiplied at every step, with and without tanh"
    )
    said, detail = multiplied(textbook)
    layout.says(said)
    st.markdown(detail[:1].upper() + detail[1:] + left(textbook))

st.header("In a real cell", anchor=False)
with st.container(horizontal=True, vertical_alignment="bottom"):
    if st.session_state.get("bounds_cell") not in settings.cells:
        st.session_state.pop("bounds_cell", None)
    cell = st.segmented_control(
        "Cell",
        settings.cells,
        default=settings.cells[0],
        required=True,
        key="bounds_cell",
        format_func=str.upper,
        bind="query-params",
    )
    experiment = start(settings.experiments[cell])
same = {activation: experiment.replace(activation=activation) for activation in ACTIVATIONS}
measured = {activation: measure.untrained(each) for activation, each in same.items()}
found = {activation: each.bounds for activation, each in measured.items()}
drawn["state"] = figures.sizes(found)
drawn["gradient"] = figures.growth({activation: each.decay for activation, each in measured.items()})
for column, (name, alt) in zip(
    st.columns(2),
    {"state": "Size of the hidden state over time", "gradient": "Gradient against distance"}.items(),
    strict=True,
):
    with column:
        layout.chart(drawn[name], name, alt)
said, detail = held_back(cell, measured)
layout.says(said)
st.markdown(detail)
saturated, memory = st.tabs(["Share beyond .99", "Cell state"])
with saturated:
    drawn["saturated"] = figures.saturated(found)
    layout.chart(drawn["saturated"], "saturated", "Share of the hidden state beyond .99 over time")
with memory:
    if cell == "lstm":
        drawn["cell-state"] = figures.sizes(found, "cell")
        layout.chart(drawn["cell-state"], "cell-state", "Size of the cell state over time")
    else:
        st.caption(f"Only an LSTM has a cell state; here the {cell.upper()} is shown.")
export.row("bounds", drawn, same)
