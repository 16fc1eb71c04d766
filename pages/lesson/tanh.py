"""What is tanh for? A vector goes round the loop ten times, with tanh and without."""

import streamlit as st

from analysis.language import translate as _
from analysis.report.sentences.bounds import multiplied_sentences
from pages.ui import bounds, layout, player, stops

HEIGHT = 295  # pixels of the pictures

stops.head("tanh")
repeated = bounds.choose_vector()
player.moving(bounds.VECTOR_STEP, lambda: bounds.show_time_step(repeated, height=HEIGHT), beat=bounds.BEAT)
layout.says(multiplied_sentences(repeated))
st.markdown(
    _(
        "One time step is one turn of the loop. tanh leaves small numbers almost as they are and holds all within ±1. "
        "On its flat ends a number is **saturated**: move what comes in a little, and hardly anything moves after it. "
        "That is one cause of forgetting: the learning signal, the gradient, is weak there."
    )
)
stops.foot("tanh", "pages/measure/bounds.py", "Activation bounds")
