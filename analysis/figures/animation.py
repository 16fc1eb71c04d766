"""Buttons and a slider that play the frames of a figure in the browser, without Python. Frame k is named str(k)."""

from collections.abc import Sequence

from analysis.figures import style


def playback(milliseconds: int = 0, *, redraw: bool = False) -> style.Layout:
    """Return how plotly plays frames: how long each stays in sight, 0 to jump to one.

    `redraw` is needed where more than scatter traces changes, and takes longer.
    """
    return {
        "frame": {"duration": milliseconds, "redraw": redraw},
        "transition": {"duration": 0},
        "mode": "immediate",
    }


def button(label: str, frames: Sequence[str | None] | None, play: style.Layout) -> style.Layout:
    """Return a button that plays frames by name: None plays all of them, [None] pauses."""
    return {"label": label, "method": "animate", "args": [frames, play]}


def buttons(items: Sequence[style.Layout], opacity: float) -> style.Layout:
    """Return a row of buttons at the left edge, on grey of an opacity."""
    return {
        "type": "buttons", "buttons": list(items), "showactive": False, "x": 0, "xanchor": "left",
        "font": {"color": style.NEUTRAL, "size": 14}, "bgcolor": style.faded(style.NEUTRAL, opacity),
        "bordercolor": style.NEUTRAL,
    }  # fmt: skip


def slider(labels: Sequence[str], jump: style.Layout) -> style.Layout:
    """Return a slider as wide as the figure, with a step for each frame."""
    return {
        "x": 0, "len": 1, "yanchor": "top", "font": {"size": 12}, "tickcolor": style.NEUTRAL,
        "bgcolor": style.faded(style.NEUTRAL, 0.3), "bordercolor": style.NEUTRAL,
        "steps": [button(label, [str(k)], jump) for k, label in enumerate(labels)],
    }  # fmt: skip
