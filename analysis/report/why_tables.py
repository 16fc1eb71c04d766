"""What the page Why draws, as CSV: each function writes one table, of cells as they are shown and before training."""

from collections.abc import Iterator, Mapping
from typing import TypeVar

import numpy as np

from analysis.reasons import GradientMatrix, SingularValues, Spectrum, StepFactors, UpdateShares
from analysis.report.tables import csv_table

Found = TypeVar("Found")


def _phases(now: Mapping[str, Found], before: Mapping[str, Found]) -> Iterator[tuple[dict[str, str], Found]]:
    """Yield each cell's columns that name it, and its result: after its training and before, or untrained."""
    for cell, found in now.items():
        yield {"cell": cell, "phase": "after" if cell in before else "before"}, found
    for cell, found in before.items():
        yield {"cell": cell, "phase": "before"}, found


def matrix_csv(now: Mapping[str, GradientMatrix], before: Mapping[str, GradientMatrix]) -> str:
    """Write gradient matrices, a row for each time step of a loss and each earlier state."""
    blocks = []
    for names, matrix in _phases(now, before):
        loss, state = np.tril_indices(len(matrix.relative))
        steps = matrix.positions
        left = matrix.relative[loss, state]
        blocks.append(names | {"loss_step": steps[loss], "state_step": steps[state], "left": left})
    return csv_table(*blocks)


def updates_csv(now: Mapping[str, UpdateShares], before: Mapping[str, UpdateShares]) -> str:
    """Write shares of the update, a row for each model and distance."""
    return csv_table(
        *(
            names | {"model": model, "distance": np.arange(len(own)), "share": own, "cumulated": np.cumsum(own)}
            for names, found in _phases(now, before)
            for model, own in enumerate(found.shares)
        )
    )


def exponents_csv(now: Mapping[str, Spectrum], before: Mapping[str, Spectrum]) -> str:
    """Write Lyapunov exponents in nats per time step, a row for each model and direction."""
    return csv_table(
        *(
            names | {"model": model, "direction": np.arange(1, len(own) + 1), "exponent": own, "per_step": spread}
            for names, found in _phases(now, before)
            for model, (own, spread) in enumerate(zip(found.exponents, found.per_step, strict=True))
        )
    )


def singular_values_csv(now: Mapping[str, SingularValues], before: Mapping[str, SingularValues]) -> str:
    """Write singular values, a row for each distance and direction."""
    blocks = []
    for names, found in _phases(now, before):
        D, H = found.values.shape
        directions = np.tile(np.arange(1, H + 1), D)
        distances = np.repeat(found.distance, H)
        blocks.append(names | {"distance": distances, "direction": directions, "value": found.values.ravel()})
    return csv_table(*blocks)


def factors_csv(now: Mapping[str, StepFactors], before: Mapping[str, StepFactors]) -> str:
    """Write what each time step leaves of the gradient, in all, by the gates and by the recurrent weights."""
    return csv_table(
        *(
            names
            | {
                "step": found.step,
                "whole": found.whole,
                "through": found.through,
                "gates": found.gates,
                "weights": found.weights,
            }
            for names, found in _phases(now, before)
        )
    )
