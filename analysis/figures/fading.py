"""How much is left of what was read first, or of a gradient, against distance: a line and a band for each cell."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import plotly.graph_objects as go

from analysis.figures import style
from analysis.figures.sentence import by_word
from analysis.language import translate as _
from analysis.language import translate_count
from analysis.report.wording import format_percent, raise_power
from analysis.results import SMALLEST


class Curve(Protocol):
    """What is left at each of N distances, as a share of that at distance 0: a `Decay`, or another result like it."""

    @property
    def distance(self) -> np.ndarray:
        """Whole numbers, (N,)."""

    @property
    def relative(self) -> np.ndarray:
        """The median, (N,)."""

    @property
    def low(self) -> np.ndarray:
        """The lower end of the band, (N,)."""

    @property
    def high(self) -> np.ndarray:
        """The upper end of the band, (N,)."""


def fading(
    curves: Mapping[str, Curve],
    *,
    own: Mapping[str, np.ndarray] | None = None,
    words: Sequence[str] = (),
    at: int | None = None,
    log: bool = False,
    large: bool = False,
    height: int = 360,
    x_title: str | None = None,
    y_title: str | None = None,
) -> go.Figure:
    """Draw how much is left at each distance: medians as lines, bands from low to high, in per cent.

    Args:
        curves: by cell.
        own: by cell, what is left in one sentence by its words, (T,) from the first on; drawn in bold, the medians
            then thin.
        words: the T words of that sentence, which name the distances along the axis; without them it is of time steps.
        at: a distance to mark on each bold line.
        log: whether the axis is logarithmic, down to 1e-6 %.
        large: letters for a projector.
        height: in pixels.
        x_title, y_title: of the axes, translated; "" for none; None names time steps, and what is left.
    """
    bold = own or {cell: curve.relative for cell, curve in curves.items()}
    size = 20 if large else 14
    last = max(1, len(words) - 1 if words else max((int(curve.distance[-1]) for curve in curves.values()), default=1))
    edges = [edge for curve in curves.values() for edge in (curve.relative, curve.low)]  # a band may leave the axis
    if own:  # but not where a sentence's own line is to be compared with it
        edges = [edge[: last + 1] for curve in curves.values() for edge in (curve.relative, curve.low, curve.high)]
    return style.figure(
        _traces(curves, own, words, at),
        {
            "xaxis": (by_word(words, [""])["xaxis"] if words else {})
            | {
                "title": _title(x_title, _("time steps back from the last")),
                "range": [-0.02 * last, 1.02 * last],
            },
            "yaxis": (_log_axis if log else _linear_axis)(np.concatenate([np.ones(1), *edges, *bold.values()]))
            | {"title": _title(y_title, _("left"))},
            "shapes": [] if at is None else [_down(at)],
        },
        height=height,
        size=size,
    )


def _traces(
    curves: Mapping[str, Curve], own: Mapping[str, np.ndarray] | None, words: Sequence[str], at: int | None
) -> list[go.Scatter]:
    """Return bands, thin medians where there is a sentence of one's own, bold lines, and the marks on them."""
    traces = [_band(cell, curve) for cell, curve in curves.items()]
    for cell, curve in curves.items():
        width = 1.5 if own else 3
        traces.append(_line(cell, curve.distance, curve.relative, words, width, named=not own))
    for cell, values in (own or {}).items():
        traces.append(_line(cell, np.arange(len(values)), values, words, 3.5))
    if at is not None:
        bold = own or {cell: curve.relative for cell, curve in curves.items()}
        traces += [style.dot(cell, at, values[at], f"{cell.upper()} {at}", cell) for cell, values in bold.items()]
    return traces


def _line(
    cell: str, distance: np.ndarray, values: np.ndarray, words: Sequence[str], width: float, named: bool = True
) -> go.Scatter:
    """Return a cell's line; the thin one of a median beside a bold one is not named, and says nothing."""
    said = [_say(cell, share, k, bool(words)) for k, share in zip(distance.tolist(), values.tolist(), strict=True)]
    return go.Scatter(
        x=distance, y=np.where(np.isfinite(values), values, np.nan), name=cell.upper(), legendgroup=cell,
        showlegend=named, mode="lines", line=style.line(cell, width), text=said,
        hovertemplate="%{text}<extra></extra>" if named else None, hoverinfo=None if named else "skip",
    )  # fmt: skip


def _say(cell: str, share: float, distance: int, of_words: bool) -> str:
    """Say what is left at one distance: "RNN: 12 % left, 5 time steps back"."""
    if of_words:
        text = translate_count(
            "{cell}: {share} left, {count} turn later", "{cell}: {share} left, {count} turns later", distance
        )
    else:
        text = translate_count(
            "{cell}: {share} left, {count} time step back", "{cell}: {share} left, {count} time steps back", distance
        )
    return text.format(cell=cell.upper(), share=format_percent(share), count=distance)


def _band(cell: str, curve: Curve) -> go.Scatter:
    """Return the area between a cell's low and high curve."""
    low, high = (np.maximum(np.where(np.isnan(edge), 0, edge), SMALLEST) for edge in (curve.low, curve.high))
    return style.band(curve.distance, low, high, style.colour_of(cell), f"{cell.upper()} 5–95 %", legendgroup=cell)


def _title(chosen: str | None, default: str) -> style.Layout | None:
    """Return an axis's title; None, which takes no room, where an empty one is chosen."""
    text = default if chosen is None else chosen
    return {"text": text} if text else None


def _down(distance: int) -> style.Layout:
    """Return the thin line from top to bottom at a distance."""
    return {
        "type": "line", "x0": distance, "x1": distance, "yref": "paper", "y0": 0, "y1": 1, "layer": "below",
        "line": {"color": style.NEUTRAL, "width": 1.5},
    }  # fmt: skip


def _linear_axis(values: np.ndarray) -> style.Layout:
    """Return an axis from 0 to 100 %, higher where a value is."""
    return {"range": [-0.02, 1.05 * values[np.isfinite(values)].max()], "tickformat": ".0%", "nticks": 6}


def _log_axis(values: np.ndarray) -> style.Layout:
    """Return a log axis from 1 % or less, at most 1e-6 %, to 100 % or more."""
    there = values[np.isfinite(values) & (values > 0)]
    bottom = int(np.floor(np.log10(np.clip(there.min(), style.LOWEST, 0.01))))
    top = float(np.log10(there.max()))
    apart = 1 if top - bottom < 4 else 2  # powers of ten
    ticks = range(int(top) // apart * apart, bottom - 1, -apart)
    return style.log_axis(bottom, top + 0.03 * (top - bottom)) | {
        "tickvals": [10.0**power for power in ticks],
        "ticktext": [raise_power(format_percent(10.0**power)) for power in ticks],
    }  # fmt: skip
