"""Results as strict JSON: plain values, and the documents that the command line writes."""

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from analysis.experiment import Experiment
from analysis.results import Measured, Run, versions

# These count steps. They are floats only because a count may be undefined; JSON gets integers.
STEPS = {"horizon", "horizons", "horizon_before", "horizon_after", "span", "spans"}


def as_plain(value: Any) -> Any:  # noqa: ANN401
    """Return a result as plain values that strict JSON can hold: infinite is "inf" or "-inf", undefined is None.

    >>> as_plain({"horizons": np.array([7.0, np.nan]), "half_life": np.inf})
    {'horizons': [7, None], 'half_life': 'inf'}
    """
    if isinstance(value, Experiment):
        return value.as_dict()
    if dataclasses.is_dataclass(value):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {name: _whole(as_plain(part)) if name in STEPS else as_plain(part) for name, part in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        plain = value.tolist()
        return plain if value.dtype.kind in "biuf" and np.isfinite(value).all() else as_plain(plain)
    if isinstance(value, list | tuple):
        return [as_plain(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value


def _whole(plain: Any) -> Any:  # noqa: ANN401
    """Return a plain value or list with whole floats as integers."""
    if isinstance(plain, list):
        return [_whole(part) for part in plain]
    return int(plain) if isinstance(plain, float) and plain.is_integer() else plain


def to_json(result: Any) -> str:  # noqa: ANN401
    """Return a result, or a document made of results, as strict JSON."""
    return json.dumps(as_plain(result), allow_nan=False) + "\n"


def run_document(run: Run) -> dict[str, Any]:
    """Return the document that `train` writes as JSON."""
    after = run.measured_after
    document = {
        "experiment": run.experiment,
        "status": run.status,
        "final": {"loss": run.loss, "metric": run.metric},
        "metric_name": run.metric_name,
        "chance": run.chance,
        "decay": {"before": run.before, "after": run.after},
        "carry": run.carry,
        "memory": run.memory,
        "saturation": after.saturation,
        "bounds": after.bounds,
        "diverged": run.diverged,
        "timing": run.timing,
        "versions": run.versions,
    }
    of_a_file = {"text_sha256": run.text_sha256, "data_sha256": run.data_sha256}
    return as_plain(document | {name: value for name, value in of_a_file.items() if value is not None})


def measured_document(about: Mapping[str, Any], measured: Measured) -> dict[str, Any]:
    """Return the document that `decay` and `record` write as JSON; `about` describes what was measured."""
    return as_plain(
        {
            **about,
            "decay": measured.decay,
            "carry": measured.decays.get("carry"),
            "saturation": measured.saturation,
            "bounds": measured.bounds,
            "versions": versions(),
        }
    )
