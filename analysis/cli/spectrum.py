"""The command that measures which directions of a gradient survive: spectrum."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from analysis.cli import summary
from analysis.cli.output import ALL_DIVERGED, FINISHED, Outcome, write_outcome
from analysis.cli.requests import read_request
from analysis.experiment import Experiment
from analysis.measures.why import measure_exponents, measure_singular_values
from analysis.reasons import SingularValues, Spectrum
from analysis.report import documents, export
from analysis.report.commands import repeat_command
from analysis.report.sentences.why import (
    CUT_DIRECTIONS,
    directions_sentence,
    exponents_sentence,
    left_out_of_spectrum,
)
from analysis.results import versions


def measure_spectrum(arguments: Mapping[str, Any]) -> int:
    """Measure the spectrum of an experiment's untrained models; write the result and return the exit status."""
    experiment, targets = read_request(arguments)
    return write_outcome(spectrum_outcome(experiment), targets, repeat_command(experiment, "spectrum"))


def spectrum_outcome(experiment: Experiment) -> Outcome:
    """Measure exponents and singular values of an experiment's untrained models; return the result."""
    exponents, values = measure_exponents(experiment), measure_singular_values(experiment)
    about = {"experiment": experiment, "exponents": exponents, "singular_values": values, "versions": versions()}
    return Outcome(
        status=ALL_DIVERGED if np.isnan(exponents.exponents[:, 0]).all() else FINISHED,
        summary=_describe(experiment, exponents, values),
        document=documents.as_plain(about),
        curves=(),
        figures=lambda: _draw(experiment.cell, exponents, values),
    )


def _describe(experiment: Experiment, exponents: Spectrum, values: SingularValues) -> str:
    """Describe a spectrum: its exponents, the directions that survive, and what was left out to measure it."""
    cell, title = experiment.cell, f"{summary.experiment_title(experiment)}, untrained"
    said = [exponents_sentence({cell: exponents}), directions_sentence(cell, values)]
    lines = [line for line in said if line] or ["The states or gradients leave the finite range."]
    lines += [CUT_DIRECTIONS] * (values.cut is not None)
    if left_out := left_out_of_spectrum(experiment, exponents, values):
        lines.append(f"Measured: {left_out}.")
    return "\n".join([f"{title}:", *lines])


def _draw(cell: str, exponents: Spectrum, values: SingularValues) -> dict[str, export.Figure]:
    """Draw a spectrum."""
    from analysis.figures import exponents as figures

    drawn = {"exponents": figures.exponents({cell: exponents})}
    return drawn | ({"directions": figures.fan({cell: values})} if len(values.distance) > 1 else {})
