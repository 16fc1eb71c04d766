"""Which tensor of an uploaded file is which part of a layer, where the visitor says so."""

from dataclasses import dataclass
from itertools import permutations
from typing import Any

import streamlit as st

from analysis.engine.layer import PARAMETERS
from analysis.files.errors import UnusableError, one_line
from analysis.models.files import read_weights
from analysis.models.layers import RecurrentStack, take_layers
from analysis.models.layouts import CELLS, TORCH_ORDER
from pages.ui import keeping

LABELS = dict(zip(PARAMETERS, ("Input weights", "Recurrent weights", "Input bias", "Recurrent bias"), strict=True))
MOST = 500  # tensors that are offered
ONE = (
    "This takes one layer that reads forward. Of a stack, or of both directions, save the tensors under torch's names, "
    "which need no correction: `weight_ih_l0`, `weight_hh_l0`, `bias_ih_l0`, `bias_hh_l0`, of the next layer with "
    "`_l1`, of the backward direction with `_l0_reverse`, gates in torch's order."
)


@dataclass(frozen=True)
class Correction:
    """The layer that the visitor chose the tensors of, and the options of the command that do the same."""

    stack: RecurrentStack
    options: list[str]


def choose(upload: Any) -> Correction | None:
    """Offer the tensors of a file as parts of a layer; return what was chosen, None where nothing was.

    Raises:
        UnusableError: where the tensors that were chosen are no layer.
    """
    tensors = _tensors(upload)
    if not tensors:
        return None
    with st.popover("Correct", icon=":material/edit:", help="Say which tensor is which, where names mislead."):
        st.caption(f"Names and shapes decide what is taken for what. Choose both weights to decide it yourself. {ONE}")
        names = {}
        for part in PARAMETERS:
            axes = 2 if part.startswith("weight") else 1
            offered = [name for name, shape in tensors.items() if len(shape) == axes][:MOST]
            chosen = st.selectbox(
                LABELS[part], offered, None, key=f"model_take_{part}", placeholder="as found" if axes == 2 else "none",
                format_func=lambda name: f"{one_line(name)} {tensors[name]}", help=f"torch calls it {part}.",
            )  # fmt: skip
            if chosen is not None:
                names[part] = chosen
        order = _choose_order(tensors[names["weight_hh"]]) if "weight_hh" in names else ""
    if not {"weight_ih", "weight_hh"} <= names.keys():
        return None
    stack = keeping.once(
        "correction", (upload.file_id, *names.items(), order), "stack",
        lambda: take_layers(read_weights(upload.getvalue(), upload.name), names, order),
    )  # fmt: skip
    options = [word for part, name in names.items() for word in ("--take", f"{part}={name}")]
    return Correction(stack, options + (["--order", order] if order else []))


def _choose_order(shape: tuple[int, ...]) -> str:
    """Choose the order of the gates of recurrent weights of a shape, torch's at first; empty for torch's own."""
    cell = CELLS.get(max(shape) // min(shape))
    if cell in (None, "rnn"):
        return ""
    usual = TORCH_ORDER[cell]
    orders = sorted(map("".join, permutations(usual)), key=lambda order: order != usual)
    order = st.selectbox(
        "Order of the gates", orders, key=f"model_take_order_{cell}", format_func=" ".join,
        help="As they lie in the file; g and n are the candidates.",
    )  # fmt: skip
    return "" if order == usual else order


def _tensors(upload: Any) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a file's tensors by name; none where it is no file of tensors by name, or unreadable."""

    def read() -> dict[str, tuple[int, ...]]:
        try:
            tensors = read_weights(upload.getvalue(), upload.name)
        except UnusableError:  # what is wrong with it is said where its layers are read
            return {}
        return {name: tuple(tensor.shape) for name, tensor in tensors.items() if tensor.is_floating_point()}

    return keeping.once("tensors", upload.file_id, "shapes", read) if upload else {}
