"""How the cells start: Home's switch, and the presets."""

import streamlit as st

from pages.ui import session, sidebar

STARTS = {
    "as torch starts it": {"init": "default", "gain": 1.0, "forget_bias": None},
    "orthogonal, forget bias 1": {"init": "orthogonal", "gain": 1.0, "forget_bias": 1.0},
    "forget bias 3": {"init": "default", "gain": 1.0, "forget_bias": 3.0},
}

PRESET = "preset"  # in the URL
TO_THE_TOP = """<script>document.querySelector('[data-testid="stMain"]').scrollTo(0, 0); // {}
</script>"""  # numbered: the same script twice in a row would not run again
PRESETS = [
    ("All three forget", "home/home", {"length": 100},
     "Untrained, 100 time steps, as torch starts them: see for how many RNN, LSTM and GRU keep 1 % of the gradient."),
    ("How a start helps", "home/home", {"length": 100, "init": "orthogonal", "forget_bias": 1.0},
     "Orthogonal weights and a forget bias of 1: the same cells, untrained; see how far they reach."),
    ("tanh, and yet it explodes", "measure/bounds",
     {"length": 100, "cells": ["rnn"], "init": "orthogonal", "gain": 2.0, "show": "a real cell"},
     "An RNN with gain 2: tanh holds its state within 1; see how its gradient grows all the same."),
    ("Gates set for a distance", "measure/decay",
     {"length": 50, "cells": ["lstm"], "position": "first", "hidden_size": 64, "batch_size": 64,
      "init": "chrono", "learning_rate": 0.01, "steps": 300},
     "Chrono draws gate biases for the length: see how far the gradient comes, and how much the forget gate carries."),
    ("Real text", "measure/decay", {"task": "text", "length": 50, "hidden_size": 64, "steps": 300},
     "Characters of real prose: how far back does a trained network's gradient go, and how far its answers?"),
]  # fmt: skip


def switch() -> None:
    """Choose one of three ways to start; it sets the sidebar's initialisation, gain and forget bias."""
    now = {name: session.setting(name).get() for name in ("init", "gain", "forget_bias")}
    session.START.set(next((name for name, start in STARTS.items() if start == now), None))
    st.segmented_control(
        "Start",
        list(STARTS),
        key=session.START.name,
        on_change=_apply_start,
        label_visibility="collapsed",
        help="Sets the initialisation, gain and forget bias in the sidebar.",
    )


def _apply_start() -> None:
    sidebar.put(STARTS.get(session.START.get() or "", {}))


def links() -> None:
    """Link to five experiments worth seeing, each with what it shows."""
    st.markdown("**See for yourself**")
    for label, page, _, shows in PRESETS:
        link, text = st.columns([1, 2.4], vertical_alignment="center", gap="small")
        link.page_link(f"pages/{page}.py", label=label, icon=":material/arrow_forward:", query_params={PRESET: label})
        text.caption(shows)


def open_preset() -> None:
    """Set every widget as the URL's preset says, before they are drawn: those there already ignore the URL.

    Then show the page from its top, where its picture is.
    """
    top = st.container()  # drawn at every run: Streamlit identifies bound widgets by position
    if PRESET in st.query_params:
        for label, _, settings, _ in PRESETS:
            if label == st.query_params[PRESET]:
                sidebar.put(settings, anew=True)
                opened = session.PRESETS_OPENED.get() + 1
                session.PRESETS_OPENED.set(opened)
                top.html(TO_THE_TOP.format(opened), unsafe_allow_javascript=True)
        del st.query_params[PRESET]
