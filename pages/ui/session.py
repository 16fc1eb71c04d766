"""What a session keeps between two runs of a page: every key of `st.session_state`, with its type and first value.

A session is one visitor's browser tab. `Key` holds a value of this code; `Widget` names a widget whose value is read
or set outside of the call that draws it. Widgets that are only drawn have their key where they are drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import streamlit as st

from pages.ui.playback import Playback

if TYPE_CHECKING:
    import numpy as np
    import plotly.graph_objects as go
    from streamlit.navigation.page import StreamlitPage
    from streamlit.runtime.uploaded_file_manager import UploadedFile

    from analysis.experiment import Experiment
    from analysis.reading import Race
    from analysis.results import Snapshot
    from pages.ui.settings import Settings

T = TypeVar("T")


@dataclass(frozen=True)
class Key(Generic[T]):
    """One key of the session, and a function that makes its first value; without one, `set` comes before `get`."""

    name: str
    first: Callable[[], T] | None = None

    def get(self) -> T:
        """Return the value, which stays in the session: what is changed in it is kept. KeyError if there is none."""
        if self.first is not None and self.name not in st.session_state:
            st.session_state[self.name] = self.first()
        return st.session_state[self.name]

    def set(self, value: T) -> None:
        """Keep a value."""
        st.session_state[self.name] = value

    def pop(self) -> T:
        """Return the value, and start again from the first one."""
        value = self.get()
        del st.session_state[self.name]
        return value


@dataclass(frozen=True)
class Widget(Generic[T]):
    """The key of a widget; Streamlit holds its value while the widget is drawn."""

    name: str

    def get(self) -> T | None:
        """Return the widget's value, None where it has none or was not drawn yet."""
        return st.session_state.get(self.name)

    def set(self, value: T) -> None:
        """Set the widget before it is drawn in this run."""
        st.session_state[self.name] = value

    def forget(self) -> None:
        """Let the widget start at its default."""
        st.session_state.pop(self.name, None)


class HeldPicture(NamedTuple):
    """A picture, what it is of, and until when it is kept, in seconds of the monotonic clock."""

    subject: Hashable
    until: float
    picture: Any


def nothing() -> None:
    """Return None, as the first value of a key."""


# The whole dashboard

PAGE: Key[StreamlitPage] = Key("page")
"""The page that is drawn, for links to the page itself."""

SETTINGS: Key[Settings] = Key("settings")
"""What the sidebar was set to when it was last drawn."""

PRESETS_OPENED: Key[int] = Key("opened", int)
"""How many presets were opened in this session."""

IGNORED: Key[list[str]] = Key("ignored", list)
"""What a link said that no widget can show, to be told once."""

BEFORE_RESET: Key[dict[str, Any]] = Key("before_reset", dict)
"""The values of the sidebar's widgets before they were reset last."""

SPOKEN: Key[str] = Key("spoken", lambda: "en")
"""The code of the language that the page is written in."""

# Trainings

SEEN: Key[dict[str, tuple[Snapshot, ...]]] = Key("seen", dict)
"""The snapshots of unfinished runs that were read already, by the run's id."""

REFUSED: Key[dict[Experiment, str]] = Key("refused", dict)
"""Why an experiment could not be trained or cancelled."""

MEASURE_ANYWAY: Key[set[Experiment]] = Key("measure_anyway", set)
"""Untrained experiments that are measured however long it takes."""

# The page Runs

CHOSEN: Key[list[str]] = Key("chosen", lambda: st.query_params.get_all("chosen"))
"""The ids of the runs that are ticked, at first those in the URL."""

FIRST_TICKS: Key[dict[str, list[int]]] = Key("ticks_at_first", dict)
"""The lines ticked when the table was first drawn, by the table's key. They must not change while it is shown."""

TICKED: Key[bool] = Key("ticked", bool)
"""Whether ticks changed since the page was last drawn."""

REFUSALS: Key[list[str]] = Key("refusals", list)
"""What could not be done with the chosen runs, to be shown once."""

IMPORTED: Key[str | None] = Key("imported", nothing)
"""The id of the uploaded file that was imported last, so that it is imported once."""

IMPORT_NOTICE: Key[str] = Key("taken_in", str)
"""What was imported, to be shown once."""

# The lesson

RACE: Key[Race | None] = Key("race_run", nothing)
"""How long the LSTM and the GRU took to read a sentence, when that was measured last."""

GRU_PART: Key[tuple[str, str] | None] = Key("gru_part", nothing)
"""The cell and its part that was clicked last in the drawings side by side; None where none is explained."""

# The page Activation bounds

SIDEBAR_CHANGED: Key[bool | None] = Key("sidebar_touched", nothing)
"""Whether the sidebar's start differed from the default when the page was last drawn; None before that."""

LAST_VECTOR: Key[np.ndarray | None] = Key("last_vector", nothing)
"""The last vector that could be read, shape (entries,)."""


# Per chart, slider or file


def layers(chart: str) -> Key[tuple[int, go.Figure | None, go.Figure | None, dict[int, int]]]:
    """Return the key of a chart's two layers: which of them lies above, the figures in it and below it, and how many
    points had been picked when each was drawn."""
    return Key(f"layers-{chart}", lambda: (0, None, None, {0: 0, 1: 0}))


def picks(chart: str) -> Key[int]:
    """Return the key of how many points of a chart were picked."""
    return Key(f"picks-{chart}", int)


def playback(slider: str) -> Key[Playback]:
    """Return the key of how far the playing of a training's snapshots is, by the name of their slider."""
    return Key(f"{slider}_playback", Playback)


def held_picture(name: str) -> Key[HeldPicture | None]:
    """Return the key of a picture that is kept for a while."""
    return Key(f"{name}_held", nothing)


def model_results(subject: str) -> Key[dict[str, Any]]:
    """Return the key of what was read or measured of the visitor's own model: of its "file", of the "model"."""
    return Key(f"your_{subject}", dict)


# Widgets

LANGUAGE: Widget[str] = Widget("language")
"""The switch between the languages of the lesson, by what each calls itself."""

UNIT: Widget[int] = Widget("unit")
"""The unit of a cell's state that is written out."""

SENTENCE: Widget[str] = Widget("sentence")
"""The sentence that a cell reads."""

CELLS: Widget[list[str]] = Widget("cells")
"""The sidebar's cells."""

UPLOAD: Widget[UploadedFile] = Widget("upload")
"""The sidebar's text file."""

DATA: Widget[UploadedFile] = Widget("data")
"""The sidebar's file of the visitor's own data."""

COLUMNS: Widget[str] = Widget("columns")
"""The columns of that file which are read."""

TEXT: Widget[str] = Widget("text")
"""The sidebar's choice among the texts that come with Goldfish and with Python."""

INSIDE_CELL: Widget[str] = Widget("inside_cell")
"""The cell that reads the sentence."""

BOUNDS_CELL: Widget[str] = Widget("bounds_cell")
"""The cell whose states and gradients are shown."""

BOUNDS_START: Widget[str] = Widget("bounds_start")
"""The weights of that cell: those that show the effect, or the sidebar's."""


def chosen_step(slider: str) -> Widget[int]:
    """Return the slider of a finished training's snapshots; its value is the step shown."""
    return Widget(slider)


def live_step(slider: str) -> Widget[int]:
    """Return the slider that takes its place while something trains; its value is the step reached."""
    return Widget(f"{slider}_live")


def part(cell: str) -> Widget[str]:
    """Return the row of a cell's parts, one of which is explained."""
    return Widget(f"{cell}_gate")


def setting_slider(field: str) -> Widget[Any]:
    """Return the slider beside a setting that may be unset, which is typed."""
    return Widget(f"{field}_slider")


def setting_place(field: str) -> str:
    """Return the key of the row that holds this slider and that field."""
    return f"{field}_row"


def keep(names: Iterable[str]) -> None:
    """Keep the values of widgets that this page may not draw: Streamlit drops those of a widget that is not drawn."""
    for name in names:
        if name in st.session_state:
            st.session_state[name] = st.session_state[name]


def setting(field: str) -> Widget[Any]:
    """Return the sidebar's widget of a setting, which has the name of the field of `Experiment`, or is `CELLS`."""
    return Widget(field)
