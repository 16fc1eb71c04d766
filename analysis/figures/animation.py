"""Buttons and a slider that play a figure's frames in the browser, without Python. Frame k has the name str(k)."""

from collections.abc import Sequence

from analysis.figures import style


def playback(milliseconds: int = 0, *, redraw: bool = False) -> style.Layout:
    """Return plotly's options for playing frames, each shown for some milliseconds; 0 jumps to a frame.

    `redraw` takes longer; it is needed where other traces than scatter traces change.
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
    """Return a row of buttons at the left edge, on a grey background of this opacity."""
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
