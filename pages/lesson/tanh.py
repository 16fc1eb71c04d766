"""What is tanh for? A vector goes round the loop ten times, with tanh and without."""

import streamlit as st

from analysis.language import translate as _
from analysis.report.sentences.bounds import multiplied_sentences
from pages.ui import bounds, layout, player, stops

HEIGHT = 295  # pixels of the pictures

stops.head("tanh")
repeated = bounds.choose_vector()


def show():
    """Draw the vector up to a time step, and say what became of it."""
    _pictures, step = bounds.show_time_step(repeated, height=HEIGHT)
    layout.says(multiplied_sentences(repeated, step))


player.moving(bounds.VECTOR_STEP, show, beat=bounds.BEAT)
st.markdown(
    _(
        "One time step is one turn of the loop. tanh leaves small numbers almost as they are and holds all within ±1. "
        "On its flat ends a number is **saturated**: a small change that arrives there dies. That is one cause of "
        "forgetting. The other is weights that are small: multiply by 0.5 to see."
    )
)
stops.foot("tanh", "pages/measure/bounds.py", "Activation bounds")
