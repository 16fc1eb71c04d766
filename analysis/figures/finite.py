"""What another input does to the last memory state, beside what a tiny change of it does, and to the answers."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from analysis.figures import style
from analysis.reasons import Change
from analysis.report.wording import cell_with_state

TINY = "the same change, tiny (gradient)"


def changes(
    now: Mapping[str, Change],
    before: Mapping[str, Change] | None = None,
    states: Mapping[str, str] | None = None,
    *,
    height: int = 460,
) -> go.Figure:
    """Draw moves of the last memory state by the distance of the changed input, over what answers make of it.

    Args:
        now: by cell; thick lines and bands are real changes, thin lines tiny ones, up to where truncation cuts.
        before: by cell, real changes before training, drawn faint.
        states: by cell, a word for the legend, such as "untrained".
        height: in pixels.
    """
    furthest = max((int(change.distance[-1]) for change in now.values()), default=1)
    span = [0.5, furthest + 0.5]
    lower, title = _answers(now)
    highest = max((float(np.nanmax(change.state_high, initial=1.0)) for change in now.values()), default=1.0)
    return style.figure(
        [*_moves(now, before or {}, states or {}), *lower],
        style.panels(2, shared_xaxes=True, row_heights=(0.64, 0.36), vertical_spacing=0.06),
        {
            "xaxis": {"range": span},
            "xaxis2": {"title": {"text": "time steps back from the last"}, "range": span},
            "yaxis": {
                **style.decades(*style.log_range(highest, style.LOWEST)),
                "title": {"text": "move of the memory<br>÷ its size"},
            },
            "yaxis2": {"title": {"text": title}, "rangemode": "tozero"},
            "annotations": _chance_label(now),
        },
        height=height,
    )


def _moves(now: Mapping[str, Change], before: Mapping[str, Change], states: Mapping[str, str]) -> list[go.Scatter]:
    """Return the upper panel's traces: bands, before training, tiny changes, real ones, and the legend's keys."""
    traces = []
    for cell, change in now.items():
        low, high = style.drawable(change.state_low), style.drawable(change.state_high)
        colour = style.colour_of(cell)
        traces.append(style.band(change.distance, low, high, colour, f"{cell.upper()} 5th to 95th percentile"))
    for cell, change in before.items():
        traces.append(_curve(cell, f"{cell.upper()} before", change, change.state, style.line_before(cell)))
    for cell, change in now.items():
        line = style.line(cell, 1.5, dash="dashdot")
        traces.append(_curve(cell, f"{cell.upper()} tiny", change, change.gradient, line))
    what = next(iter(now.values())).what if now else "input"
    for cell, change in now.items():
        name = f"{cell_with_state(cell, states)}: another {what}"
        traces.append(_curve(cell, name, change, change.state, style.line(cell, 3), shown=True))
    traces.append(style.key(TINY, "dashdot", 1.5))
    return traces + style.keys_before(before)


def _curve(
    cell: str, name: str, change: Change, moves: np.ndarray, line: style.Layout, shown: bool = False
) -> go.Scatter:
    return go.Scatter(
        x=change.distance, y=style.drawable(moves), name=name, mode="lines", line=line, legendgroup=cell,
        showlegend=shown, hovertemplate="%{y:.3g}",
    )  # fmt: skip


def _answers(now: Mapping[str, Change]) -> tuple[list[go.Scatter], str]:
    """Return the lower panel's traces and title: right answers where these are known, else how much answers change."""
    known = all(np.isfinite(change.chance) for change in now.values())
    classes = all(change.classes for change in now.values())
    title = "answers right" if known else "answers that<br>change" if classes else "change of<br>the answer"
    traces = [
        go.Scatter(
            x=change.distance, y=np.where(np.isfinite(values), values, np.nan), name=f"{cell.upper()} answers",
            mode="lines", line=style.line(cell), legendgroup=cell, showlegend=False, xaxis="x2", yaxis="y2",
            hovertemplate="%{y:.3g}",
        )
        for cell, change in now.items()
        for values in [change.right if known else change.answer]
    ]  # fmt: skip
    if known and now:
        first = next(iter(now.values()))
        traces.append(style.level((1, float(first.distance[-1])), first.chance, "chance", "2"))
    return traces, title


def _chance_label(now: Mapping[str, Change]) -> list[style.Layout]:
    """Return the label of chance, where it is known."""
    chances = [change.chance for change in now.values() if np.isfinite(change.chance)]
    return [style.label(chances[0], "chance", 14, "2")] if chances else []
