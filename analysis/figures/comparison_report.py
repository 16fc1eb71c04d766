"""The pictures of a comparison, and its report: one page of HTML with verdicts, pictures, a table and the grid."""

from collections.abc import Callable
from functools import partial

import plotly.graph_objects as go

from analysis.comparison import PHASES, Comparison
from analysis.figures.bargain import COSTS, metric_against_cost
from analysis.figures.foretelling import NAMES, foretelling
from analysis.figures.success import metric, solved_share
from analysis.report.comparison_page import comparison_html
from analysis.report.sentences.comparing import method_sentences


def comparison_pictures(comparison: Comparison) -> dict[str, Callable[[], go.Figure]]:
    """Return functions by name that draw what there is to draw of a comparison."""
    solvable = any(row.solvable for row in comparison.rows)
    costs = {cost_name(said): partial(metric_against_cost, comparison, cost) for said, cost in COSTS.items()}
    horizons = {horizon_name(phase): partial(foretelling, comparison, phase) for phase in PHASES}
    return {
        **({"success": partial(solved_share, comparison)} if solvable else {}),
        "metric": partial(metric, comparison),
        **costs,
        **horizons,
    }


def cost_name(said: str) -> str:
    """Return the name of the picture of a cost, one of those in `COSTS`: "metric-against-ms-per-update"."""
    return f"metric-against-{said.replace(' ', '-')}"


def horizon_name(phase: str) -> str:
    """Return the name of the picture of a phase's horizons: "horizon-at-start"."""
    return f"horizon-{NAMES[phase].replace(' ', '-')}"


def comparison_report(comparison: Comparison, grid: str) -> str:
    """Return a comparison's report as HTML that opens without a network; `grid` is its grid file."""
    figures = {name: draw() for name, draw in comparison_pictures(comparison).items()}
    return comparison_html(comparison, method_sentences(comparison), figures, grid)
