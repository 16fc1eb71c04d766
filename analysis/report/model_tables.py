"""A user's own model as CSV."""

from collections.abc import Mapping
from typing import Any, Protocol

from analysis.answers import Influence, InForce, LookBack
from analysis.report.tables import Tables, csv_table
from analysis.results import Decay

Block = dict[str, Any]  # columns of a table by name
CURVES = ("distance", "norm", "relative", "low", "high")


class Found(Protocol):
    """A model's answers, which may be measured as they are asked for."""

    @property
    def look_back(self) -> LookBack:
        """How much past it needs."""

    @property
    def in_force(self) -> InForce:
        """Its biases and recurrent weights."""

    @property
    def influence(self) -> Influence:
        """Which inputs matter."""


def model_tables(cell: str, decays: Mapping[str, Decay], found: Found) -> Tables:
    """Return a user's own model: its decays by kind, how much past it needs, its eigenvalues, which inputs matter."""
    curves = [
        {"cell": cell, "of": of} | {name: getattr(decay, name) for name in CURVES} for of, decay in decays.items()
    ]
    return {
        "decay": lambda: csv_table(*curves),
        "look-back": lambda: csv_table(*_windows(found.look_back)),
        "eigenvalues": lambda: csv_table(*_eigenvalues(found.in_force)),
        "inputs": lambda: csv_table(*_inputs(found.influence)),
    }


def _windows(past: LookBack) -> list[Block]:
    """Return the change of the prediction by window, from both starts."""
    return [
        {"start": name, "last_steps": past.window, "change": start.change, "low": start.low, "high": start.high}
        for name, start in (("as given", past.start), ("reached", past.reached))
    ]


def _eigenvalues(force: InForce) -> list[Block]:
    """Return the eigenvalues of each layer and gate, of the first model."""
    return [
        {"layer": layer, "block": block, "real": values[0, layer, :, 0], "imaginary": values[0, layer, :, 1]}
        for layer in range(force.layers)
        for block, values in force.eigenvalues.items()
    ]


def _inputs(influence: Influence) -> list[Block]:
    """Return the gradient, and gradient × input, by column and distance."""
    return [
        {"column": column, "distance": influence.distance, "gradient": gradient, "gradient_times_input": product}
        for column, (gradient, product) in enumerate(zip(influence.gradient.T, influence.product.T, strict=True))
    ]
