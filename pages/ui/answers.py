"""The answers of the model page: how much past the model needs, what is in force in it, which inputs matter."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from analysis.answers import Influence, InForce, LookBack
from analysis.experiment import KEEP_GATE
from analysis.figures.in_force import eigenvalues, unit_time_scales
from analysis.figures.influence import influence_by_column, influence_by_distance
from analysis.figures.look_back import look_back
from analysis.models.in_force import weights_in_force
from analysis.models.influence import input_influence
from analysis.models.measuring import affordable_look_back
from analysis.report.sentences import answers as sentences
from pages.ui import keeping, model

Drawings = dict[str, Callable[[], go.Figure]]  # by name
Show = Callable[[str, str], None]  # draws one of them by its name, with a text for those who can't see it
HALF_LIFE = 50
NAMES = ("Look-back", "Biases and weights", "Inputs")


@dataclass(frozen=True)
class Found:
    """The answers on what was chosen, each measured once, when it is asked for first."""

    module: Any
    chosen: model.Chosen
    time_scales: np.ndarray | None  # (1, L, H), of a cell with gates

    @property
    def look_back(self) -> LookBack:
        return self._once("look-back", lambda: affordable_look_back(self.module, self.chosen.inputs, self._direction))

    @property
    def in_force(self) -> InForce:
        return self._once("in force", lambda: weights_in_force(self.module, direction=self._direction))

    @property
    def influence(self) -> Influence:
        return self._once(
            "influence", lambda: input_influence(self.module, self.chosen.inputs, direction=self._direction)
        )

    @property
    def _direction(self) -> str:
        return self.chosen.stack.direction

    def _once(self, name: str, measure: Callable[[], Any]) -> Any:
        return keeping.once("answers", self.chosen.key, name, measure)


def drawings(found: Found) -> Drawings:
    """Return the pictures of the answers; those of what is in force are of the layer that is shown."""
    cell, layer = found.chosen.stack.cell, found.chosen.layer
    made: Drawings = {
        "look-back": lambda: look_back(found.look_back, cell),
        "eigenvalues": lambda: eigenvalues(found.in_force, layer),
        "inputs-by-distance": lambda: influence_by_distance(found.influence, cell),
        "inputs-by-column": lambda: influence_by_column(found.influence),
    }
    if found.time_scales is not None:
        made["time-scales"] = partial(unit_time_scales, found.time_scales[:, layer], KEEP_GATE[cell])
    return made


def show_look_back(found: Found, show: Show) -> None:
    """Show how much past the prediction needs."""
    st.markdown(sentences.look_back_sentence(found.look_back))
    show("look-back", "Change of the prediction by the number of last time steps seen")
    st.caption(f"{sentences.LOOK_BACK} {sentences.measured_on(found.look_back)}")


def show_in_force(found: Found, show: Show) -> None:
    """Show the bias in force, the recurrent weights and the units' time scales."""
    layer, gate = found.chosen.layer, found.in_force.gate
    st.markdown(sentences.in_force_sentence(found.in_force, layer))
    show("eigenvalues", "Eigenvalues of the recurrent weights beside the unit circle")
    st.caption(sentences.IN_FORCE)
    if gate and found.time_scales is not None:
        st.markdown(sentences.time_scale_sentence(found.time_scales[:, layer], gate))
        show("time-scales", "Time scale of every unit, sorted")
        wanted = st.number_input(
            "Half-life wanted, in time steps", 0.1, 1e6, float(HALF_LIFE), key="model_half_life", width=240,
            help="After this many time steps, half of the memory is to be left, by the gate's bias alone.",
        )  # fmt: skip
        st.caption(sentences.wanted_bias_sentence(found.in_force, wanted))


def show_inputs(found: Found, show: Show) -> None:
    """Show which inputs move the prediction."""
    st.markdown(sentences.influence_sentence(found.influence))
    show("inputs-by-distance", "Gradient of the prediction by every input, against distance")
    show("inputs-by-column", "Gradient times input by column and distance")
    st.caption(f"The prediction is {found.influence.of}. {sentences.INFLUENCE}")
