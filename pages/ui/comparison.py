"""Which cell here? One column per trained cell."""

from collections.abc import Mapping

import streamlit as st

from analysis.measures.threshold import horizons_at
from analysis.reasons import Prediction
from analysis.report import wording
from analysis.report.sentences.theory import describe_predicted_rate, theory_sentence
from analysis.report.sentences.training import start_sentence
from analysis.report.wording import format_number
from analysis.results import Decay, Run


def table(runs: Mapping[str, Run], decays: Mapping[str, Decay]) -> None:
    """Compare trained cells: what they answer, how far back (by their decays after training), what they cost."""
    first = next(iter(runs.values()))
    at = wording.threshold_suffix(next(iter(decays.values())))
    rows = {
        f"{first.metric_name} (chance {format_number(first.chance)})": lambda cell, run: wording.format_range(
            run.metric
        ),
        f"horizon after training{at}": lambda cell, run: wording.describe_horizon_range(decays[cell]),
        f"horizon over the last fifth of the updates{at}": lambda cell, run: wording.describe_late_horizons(
            horizons_at(run, decays[cell].threshold)
        ),
        "memory span": lambda cell, run: wording.describe_span(run.memory),
        "parameters": lambda cell, run: f"{run.timing['parameters']:,}",
        "multiply-adds per time step": lambda cell, run: f"{run.timing['multiply_adds']:,}",
    }
    st.table(
        {"per cell": list(rows)}
        | {cell.upper(): [of(cell, run) for of in rows.values()] for cell, run in runs.items()},
        hide_index=True,
        border="horizontal",
    )
    st.caption(
        "In brackets: the range over seeds. Multiply-adds: of one model, for one time step of one sequence. "
        + start_sentence(runs)
    )


def rates(decays: Mapping[str, Decay], states: Mapping[str, str], predictions: Mapping[str, Prediction]) -> None:
    """Show what one rate per time step says, beside the one that theory predicts, and how well it fits the curve."""
    st.table(
        {
            "per cell": ["rate", "rate by theory, untrained", "half-life", "r²", "over seeds, kept per time step"],
            **{
                wording.cell_with_state(cell, states): [
                    wording.describe_rate(found),
                    describe_predicted_rate(predictions.get(cell)),
                    wording.describe_half_life(found),
                    format_number(found.r_squared),
                    wording.describe_factor_range(found),
                ]
                for cell, found in decays.items()
            },
        },
        hide_index=True,
        border="horizontal",
    )
    st.caption(
        "The slope of ln(gradient left) against distance, by least squares; r² says how well one rate fits. "
        + theory_sentence(predictions)
    )
