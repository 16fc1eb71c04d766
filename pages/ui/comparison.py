"""Which cell here? One column per trained cell."""

from collections.abc import Mapping

import streamlit as st

from analysis import wording
from analysis.results import Decay, Run
from analysis.wording import number
from pages.ui import layout


def table(runs: Mapping[str, Run], decays: Mapping[str, Decay]) -> None:
    """Compare trained cells: what they answer, how far back (by their decays after training), what they cost."""
    first = next(iter(runs.values()))
    at = wording.at_threshold(next(iter(decays.values())))
    rows = {
        f"{first.metric_name} (chance {number(first.chance)})": lambda cell, run: wording.spread(run.metric),
        f"horizon after training{at}": lambda cell, run: wording.horizon_over_seeds(decays[cell]),
        "memory span": lambda cell, run: wording.span(run.memory),
        "parameters": lambda cell, run: f"{run.timing['parameters']:,}",
        "multiply-adds per step": lambda cell, run: f"{run.timing['multiply_adds']:,}",
        "ms per training step": lambda cell, run: number(run.timing["ms_per_step"]),
    }
    st.table(
        {"": list(rows)} | {cell.upper(): [of(cell, run) for of in rows.values()] for cell, run in runs.items()},
        hide_index=True,
        border="horizontal",
    )
    layout.says(wording.which_cell(runs))
    st.caption(
        "In brackets: the range over seeds. Multiply-adds: of one model, for one step of one sequence. Milliseconds: "
        "a training step of all seeds together, on this machine, where cells that train at once slow one another: "
        "they do not rank the cells."
    )


def rates(decays: Mapping[str, Decay], states: Mapping[str, str]) -> None:
    """Show what one rate per step says, and how well it describes the curve."""
    st.table(
        {
            "": ["rate", "half-life", "r²", "over seeds, kept per step"],
            **{
                wording.called(cell, states): [
                    wording.rate(found),
                    wording.half_life(found),
                    number(found.r_squared),
                    wording.kept_over_seeds(found),
                ]
                for cell, found in decays.items()
            },
        },
        hide_index=True,
        border="horizontal",
    )
    st.caption("The slope of ln(gradient left) against distance, by least squares; r² says how well one rate fits.")
