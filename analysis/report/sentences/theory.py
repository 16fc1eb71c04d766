"""What theory predicts, and where there is none, in words."""

from collections.abc import Mapping
from math import exp, isnan

from analysis.reasons import Prediction
from analysis.report.wording import format_number, the_cells


def describe_predicted_rate(prediction: Prediction | None) -> str:
    """Return the share of the gradient that theory leaves per time step, as `describe_rate` gives the measured one."""
    if prediction is None:
        return "not shown"
    if prediction.reason:
        return "no theory"
    if isnan(prediction.rate):
        return "one time step alone has no rate"
    return f"×{format_number(exp(prediction.rate))} kept per time step ({format_number(prediction.rate)} nats)"


def theory_sentence(predictions: Mapping[str, Prediction]) -> str:
    """Return by which theory each cell's rate is predicted, or why there is none; "" where nothing is predicted."""
    said: dict[str, list[str]] = {}
    for cell, prediction in predictions.items():
        by = prediction.reason or f"{prediction.name} ({prediction.assumption})"
        said.setdefault(f"{'No theory' if prediction.reason else 'Theory'} for {{}}: {by}.", []).append(cell)
    return " ".join(sentence.format(the_cells(cells)) for sentence, cells in said.items())
