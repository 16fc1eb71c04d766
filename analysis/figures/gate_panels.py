"""Panels of gates: where each gate stands, and the figure around them."""

from collections.abc import Mapping
from typing import NamedTuple

import plotly.graph_objects as go

from analysis.figures import style

# Gates of the same role are in one row: keep the memory, let input in, give the output, compute new values.
ROWS = (("forget", "update"), ("input", "reset"), ("output",), ("candidate",))


class Sizes(NamedTuple):
    """Sizes of a figure's parts in pixels."""

    panel: int  # height of a panel without its title, where cells stand side by side
    alone: int  # the same of one cell, whose gates stand in fewer rows
    gap: int  # between two rows
    top: int  # margins
    bottom: int
    lift: int = 0  # of the top row's titles, above names of time steps


class Place(NamedTuple):
    """Where a gate is drawn: its row and column, and the suffix of its panel's axes in plotly."""

    cell: str
    gate: str
    row: int
    column: int
    panel: str

    @property
    def on(self) -> dict[str, str]:
        """The axes of a trace."""
        return {"xaxis": f"x{self.panel}", "yaxis": f"y{self.panel}"}

    @property
    def over(self) -> dict[str, str]:
        """The axes of a note or a shade; the panel's height is 0 at the bottom and 1 at the top."""
        return {"xref": f"x{self.panel}", "yref": f"y{self.panel} domain"}


def places_of(cells: Mapping[str, Mapping]) -> list[Place]:
    """Return a panel for each gate: a column per cell, or two columns where there is one cell."""
    if len(cells) == 1:
        ((cell, gates),) = cells.items()
        names = [gate for row in ROWS for gate in row if gate in gates]
        spots = [(cell, gate, k // 2 + 1, k % 2 + 1) for k, gate in enumerate(names)]
    else:
        rows = [names for names in ROWS if any(gate in gates for gates in cells.values() for gate in names)]
        spots = [
            (cell, gate, row, column)
            for row, names in enumerate(rows, 1)
            for column, (cell, gates) in enumerate(cells.items(), 1)
            for gate in names
            if gate in gates
        ]
    return [Place(*spot, panel) for spot, panel in zip(spots, style.numbers(len(spots)), strict=True)]


def lowest(places: list[Place]) -> set[str]:
    """Return the suffixes of the lowest panel of each column."""
    return set({place.column: place.panel for place in places}.values())  # the last of a column is its lowest


def legend_place(places: list[Place]) -> style.Layout:
    """Return a legend in the second column, in a row that has no panel there, or else above all panels."""
    rows = {place.row for place in places}
    vacant = min(rows - {place.row for place in places if place.column == 2}, default=None)
    if vacant is None:
        return {"y": 1, "yref": "container", "yanchor": "top"}
    return {"orientation": "v", "x": 0.55, "y": 1 - (vacant - 0.5) / len(rows), "yanchor": "middle"}


def panel_figure(
    places: list[Place],
    sizes: Sizes,
    traces: list,
    layout: style.Layout,
    notes: list[style.Layout],
    shapes: list[style.Layout],
    across: str,
    up: str,
) -> go.Figure:
    """Return a figure with a panel for each gate; notes and shapes lie over the traces.

    `across` and `up` are the titles of the axes.
    """
    rows, columns = max(place.row for place in places), max(2, *(place.column for place in places))
    panel = sizes.panel if len({place.cell for place in places}) > 1 else sizes.alone
    height = rows * panel + (rows - 1) * sizes.gap
    titles = {(place.row, place.column): f"{place.cell.upper()} {place.gate}" for place in places}
    grid = style.panels(
        rows, columns, titles=tuple(titles.get((r + 1, c + 1)) for r in range(rows) for c in range(columns)),
        horizontal_spacing=0.1, vertical_spacing=sizes.gap / height,
    )  # fmt: skip
    titled = [t | {"font": {"size": 14}, "yshift": sizes.lift * (t["y"] > 0.99)} for t in grid["annotations"]]
    return style.figure(
        traces,
        grid,
        {f"xaxis{panel}": {"title": {"text": across, "standoff": 12}} for panel in lowest(places)},
        {f"yaxis{place.panel}": {"title": {"text": up}} for place in places if place.column == 1},
        {"annotations": [*titled, *notes], "shapes": shapes, "hovermode": "closest"},
        {"margin": {"l": 82, "r": 30, "t": sizes.top, "b": sizes.bottom}},
        layout,
        height=height + sizes.top + sizes.bottom,
    )
