"""A user's own model as CSV."""

from collections.abc import Mapping
from functools import partial

from analysis.answers import Answers
from analysis.report.tables import Tables, csv_table
from analysis.results import Decay

CURVES = ("distance", "norm", "relative", "low", "high")


def model_tables(cell: str, decays: Mapping[str, Decay], found: Answers) -> Tables:
    """Return a user's own model: its decays by kind, how much past it needs, its eigenvalues, which inputs matter."""
    past, influence = found.look_back, found.influence
    curves = [
        {"cell": cell, "of": of} | {name: getattr(decay, name) for name in CURVES} for of, decay in decays.items()
    ]
    seen = [
        {
            "cell": cell,
            "start": start,
            "last_steps": past.window,
            "change": windows.change,
            "low": windows.low,
            "high": windows.high,
        }
        for start, windows in (("as given", past.start), ("reached", past.reached))
    ]
    weights = [
        {"layer": layer, "block": block, "real": part[:, 0], "imaginary": part[:, 1]}
        for block, values in found.in_force.eigenvalues.items()
        for layer, part in enumerate(values[0])
    ]
    inputs = [
        {"column": column, "distance": influence.distance, "gradient": gradient, "gradient_times_input": product}
        for column, (gradient, product) in enumerate(zip(influence.gradient.T, influence.product.T, strict=True))
    ]
    blocks = {"decay": curves, "look-back": seen, "eigenvalues": weights, "inputs": inputs}
    return {name: partial(csv_table, *parts) for name, parts in blocks.items()}
