"""Experiments worth seeing: links on Home that set every widget."""

import streamlit as st

from analysis.language import mark
from analysis.language import translate as _
from pages.ui import links, session, sidebar

PRESET = "preset"  # in the URL
CLOSER = "closer"  # in the URL of a link from the lesson, whose settings widgets take that are there already
TO_THE_TOP = """<script>document.querySelector('[data-testid="stMain"]').scrollTo(0, 0); // {}
</script>"""  # numbered: the same script twice in a row would not run again
PRESETS = [
    (mark("All three forget"), "measure/decay", {"length": 100},
     mark("Untrained, 100 time steps, as PyTorch starts them: see how soon a hundredth of the gradient is left.")),
    (mark("How a start helps"), "measure/decay", {"length": 100, "init": "orthogonal", "forget_bias": 1.0},
     mark("Orthogonal weights and a forget bias of 1: the same cells, untrained; see how far they reach.")),
    (mark("tanh, and yet it explodes"), "measure/bounds",
     {"length": 100, "cells": ["rnn"], "init": "orthogonal", "gain": 2.0, "show": "a real cell"},
     mark("An RNN with gain 2: tanh holds its state within 1; see how its gradient grows all the same.")),
    (mark("Gates set for a distance"), "measure/decay",
     {"length": 50, "cells": ["lstm"], "position": "first", "hidden_size": 64, "batch_size": 64,
      "init": "chrono", "learning_rate": 0.01, "steps": 300},
     mark("Chrono draws gate biases for the length: see how far the gradient comes, and how much the gate carries.")),
    (mark("Real text"), "measure/decay", {"task": "text", "length": 50, "hidden_size": 64, "steps": 300},
     mark("Characters of real prose: how far back does a trained network's gradient go, and how far its answers?")),
]  # fmt: skip


def show() -> None:
    """Link to five experiments worth seeing, each with what it shows."""
    st.markdown("**{}**".format(_("See for yourself, after the lesson")))
    for label, page, _settings, shows in PRESETS:
        link, text = st.columns([1, 2.4], vertical_alignment="center", gap="small")
        link.page_link(
            f"pages/{page}.py", label=_(label), icon=":material/arrow_forward:", query_params={PRESET: label}
        )
        text.caption(_(shows))


def open_preset() -> None:
    """Set every widget as the URL's preset says, before they are drawn: those there already ignore the URL.

    Then show the page from its top, where its picture is. A link from the lesson changes only what it names.
    """
    top = st.container()  # drawn at every run: Streamlit identifies bound widgets by position
    if PRESET in st.query_params:
        for label, _page, settings, _shows in PRESETS:
            if label == st.query_params[PRESET]:
                sidebar.put(settings, anew=True)
                opened = session.PRESETS_OPENED.get() + 1
                session.PRESETS_OPENED.set(opened)
                top.html(TO_THE_TOP.format(opened), unsafe_allow_javascript=True)
        del st.query_params[PRESET]
    if CLOSER in st.query_params:
        del st.query_params[CLOSER]
        sidebar.put({name: value for name in st.query_params if (value := links.read(name)) is not None})
