"""The stops of the lesson: their order, the row that leads from one to another, and what heads and ends each screen."""

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from analysis.language import mark
from analysis.language import translate as _
from pages.ui import layout, presets, sidebar


@dataclass(frozen=True)
class Stop:
    """One screen of the lesson: a page at pages/lesson/<name>.py."""

    name: str
    short: str  # in the row of stops
    question: str
    line: str  # below the question: what the picture shows
    networks: str = mark("Networks: trained")  # which are shown; "" where the page itself says it

    @property
    def page(self) -> str:
        """Return the page's script."""
        return f"pages/lesson/{self.name}.py"


STOPS = {
    stop.name: stop
    for stop in (
        Stop("words", mark("Words"), mark("How does a sentence get in?"),
             mark("A network can read only numbers, so each word becomes a list of them. Empty columns: words "
                  "still to come.")),
        Stop("loop", mark("The loop"), mark("What does the loop carry?"),
             mark("After each word the network hands its memory to its own next turn: all it knows of the past.")),
        Stop("tanh", mark("tanh"), mark("What is tanh for?"),
             mark("The memory is a vector, a list of numbers. Each turn of the loop multiplies it by the weights U, "
                  "here simplified to one number."),
             mark("No network: numbers alone")),
        Stop("goldfish", mark("The goldfish"), mark("Why does a plain RNN forget?"),
             mark("Change the memory a little at the first word. How much of that change is there later? 100 %: all; "
                  "0 %: nothing, it is forgotten."), networks=""),
        Stop("lstm", mark("The LSTM"), mark("Two memories, three gates: what does each decide?"),
             mark("Above: the long memory c; no weights or tanh touch it. Below: h, what is shown of it. A gate σ "
                  "gives each number (**unit**) 0 to 1.")),
        Stop("gru", mark("The GRU"), mark("Can it be done with less?"),
             mark("One memory instead of two, two gates instead of three. Click a box to read what it decides.")),
        Stop("choice", mark("Which one?"), mark("Which one should I take?"),
             mark("No cell wins everywhere. Compare them on the task that is yours.")),
    )
}  # fmt: skip


def head(name: str) -> None:
    """Head a stop: the row of all stops, this one's question, and a line on what its picture shows."""
    sidebar.show()
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="stops"):
        for number, stop in enumerate(STOPS.values(), 1):
            label = f"{number} {_(stop.short)}"
            if stop.name == name:
                st.markdown(f"**:red[{label}]**", width="content")
            else:
                st.page_link(stop.page, label=label)
    stop = STOPS[name]
    layout.title(_(stop.question), _(stop.line), tag=_(stop.networks) if stop.networks else "")


def foot(name: str, instrument: str, label: str, more: Callable[[], None] | None = None, **settings: str) -> None:
    """End a stop: the way back and on, and the page of the instrument that shows the same with more controls.

    Args:
        name: of the stop.
        instrument: the page's script.
        label: the name of that page in the menu.
        more: draws other ways on.
        settings: of that page, in its URL.
    """
    names = list(STOPS)
    place = names.index(name)
    with st.container(horizontal=True, vertical_alignment="center", key="leads"):
        if place:
            before = STOPS[names[place - 1]]
            st.page_link(
                before.page, label=_("Back: {stop}").format(stop=_(before.short)), icon=":material/arrow_back:"
            )
        if place + 1 < len(names):
            after = STOPS[names[place + 1]]
            label_on = _("Next: {stop}").format(stop=_(after.short))
            st.page_link(after.page, label=label_on, icon=":material/arrow_forward:", icon_position="right")
        st.page_link(
            instrument, label=_("Look closer: {page}").format(page=_(label)), icon=":material/tune:",
            query_params={presets.CLOSER: "1", **settings} if settings else None,
        )  # fmt: skip
        if more:
            more()
