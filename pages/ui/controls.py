"""The controls of the decay page, each in the URL."""

from dataclasses import dataclass

import streamlit as st

from analysis.report.wording import format_percent
from pages.ui import links

THRESHOLDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 0.5)
STATES = {"hidden state": "hidden", "memory state (LSTM: cell)": "memory", "input": "input"}
SPREADS = {"none": "none", "5–95 %": "band", "seeds": "seeds"}


@dataclass(frozen=True)
class Look:
    """How a decay is to be drawn."""

    threshold: float
    relative: bool
    position: bool
    full_depth: bool
    carry: bool
    theory: bool
    spread: str


def decay() -> Look:
    """Draw a button that opens all the controls of a decay's picture."""
    with st.popover(
        "Display", icon=":material/tune:", key="display", help="Threshold, axes, spread: how the picture is drawn."
    ):
        threshold = st.select_slider(
            "Threshold", THRESHOLDS, 0.01, format_func=format_percent, key="threshold", bind="query-params",
            help="The horizon is the largest distance up to which at least this share of the gradient is left.",
        )  # fmt: skip
        axis = choice(
            "Axis", ("distance", "position"), "axis", "Time steps back from the last, or the place in the sequence."
        )
        size = choice(
            "Gradient",
            ("relative", "absolute"),
            "size",
            "As a share of the gradient at the last time step, or its own size.",
        )
        spread = choice("Spread", tuple(SPREADS), "spread", "What lies around a median: nine of ten, or each seed.")
        carry = st.toggle(
            "gate alone", value=True, key="carry", bind="query-params",
            help="What would come back through the forget or update gate, without the recurrent weights.",
        )  # fmt: skip
        theory = st.toggle(
            "theory", value=True, key="theory", bind="query-params",
            help="What mathematics predicts of wide networks before any training.",
        )  # fmt: skip
        full_depth = st.toggle("full depth", key="deep", bind="query-params", help="Show the axis below 1e-8.")
    return Look(threshold, size == "relative", axis == "position", full_depth, carry, theory, SPREADS[spread])


def choice(label: str, options: tuple[str, ...], key: str, help: str) -> str:
    """Choose one of a few words, the first at first, and where a link says none."""
    links.check(key, options)
    chosen = st.segmented_control(
        label, options, default=options[0], required=True, key=key, bind="query-params", help=help
    )
    return chosen or options[0]


def state() -> str:
    """Choose whose gradient is drawn."""
    return STATES[choice("Gradient of the", tuple(STATES), "state", "Where the gradient is taken, at every time step.")]
