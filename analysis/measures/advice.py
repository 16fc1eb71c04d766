"""What would make it remember? The untrained horizon with one setting changed at a time, and what that costs."""

from collections.abc import Callable
from contextlib import suppress
from functools import cache

from analysis.experiment import SETTINGS, Experiment, why_not_applicable
from analysis.measures.preview import preview_meter, preview_seconds, preview_sizes, without_training
from analysis.measures.price import weight_sensitivity
from analysis.reasons import Advice, Trial, Value
from analysis.tasks.task import Batch

COLUMNS = 64  # at most: units, times sequences, of which a price is the mean
VALUES: dict[str, tuple[Value, ...]] = {  # tried of each setting, besides the present value; None = unset
    "gain": (0.5, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5),
    "forget_bias": (None, 0.0, 1.0, 2.0, 3.0, 5.0),
    "init": ("default", "orthogonal", "identity", "chrono"),
    "hidden_size": (8, 16, 32, 64, 128),
    "activation": ("tanh", "relu", "identity"),
    "length": (10, 30, 60, 100),
    "truncate": (None,),  # where it is set
}


def variations(experiment: Experiment, setting: str) -> dict[Value, Experiment]:
    """Return the experiment with other values of one setting, by value in order, the present one among them.

    Values that don't apply to its cell or task, or beside its other settings, are left out. It is empty where only the
    present value is left. A forget bias that is unset stands first, truncation that is unset last.
    """
    present = experiment.task_length if setting == "length" else getattr(experiment, setting)
    values = {*VALUES[setting], present}
    if setting == "length":
        values = {value for value in values if isinstance(value, int)}
    choices = SETTINGS[setting].choices
    unset = float("inf" if setting == "truncate" else "-inf")
    ordered = sorted(values, key=choices.index if choices else lambda value: unset if value is None else float(value))
    found = {}
    for value in ordered:
        if value != present and why_not_applicable(setting, value, experiment.cell, experiment.task):
            continue
        try:
            found[value] = experiment if value == present else experiment.replace(**{setting: value})
        except ValueError:  # chrono beside a forget bias
            continue
    return found if len(found) > 1 else {}


def measure_trial(experiment: Experiment) -> Trial:
    """Measure one experiment's models as they start, on as many models and sequences as a page does.

    Raises:
        ValueError, ModuleNotFoundError: where the task can't be built.
    """
    start = without_training(experiment)
    samples = preview_sizes(start)[1]
    meter, weights = preview_meter(start)
    columns = min(COLUMNS, samples)
    sequences = max(1, columns // start.hidden_size)
    inputs = Batch(meter.inputs, meter.targets, meter.lengths).longest().inputs[:, :sequences]
    price = weight_sensitivity(start, weights, inputs, columns // inputs.shape[1])
    return Trial(experiment, meter.decays(weights)["memory"], price)


def advice_seconds(experiment: Experiment) -> float:
    """Estimate the seconds that `advise` takes. ValueError if the present task can't be built."""
    seconds = preview_seconds(experiment)
    for setting in VALUES:
        for each in variations(experiment, setting).values():
            with suppress(ValueError):  # a text that is too short for the length
                seconds += 2 * preview_seconds(each)  # a price takes about as long as a decay
    return seconds


def try_setting(
    experiment: Experiment, setting: str, measured: Callable[[Experiment], Trial] = measure_trial
) -> dict[Value, Trial]:
    """Measure an experiment with each other value of one setting, and the present one; empty where there is no other.

    Args:
        experiment: the present settings.
        setting: a key of VALUES.
        measured: measures one experiment.

    Raises:
        ValueError, ModuleNotFoundError: where the present task can't be built.
    """
    trials = {}
    for value, each in variations(experiment, setting).items():
        try:
            trials[value] = measured(each)
        except ValueError:  # a text that is too short for the length
            if each == experiment:
                raise
    return trials


def advise(experiment: Experiment, on_progress: Callable[[float], None] = lambda share: None) -> Advice:
    """Measure an experiment with one setting changed at a time.

    Args:
        experiment: the present settings.
        on_progress: called with the share that is done.

    Raises:
        ValueError, ModuleNotFoundError: where the task can't be built.
    """
    measured = cache(measure_trial)  # the present settings once
    trials = {}
    for done, setting in enumerate(VALUES, 1):
        if tried := try_setting(experiment, setting, measured):
            trials[setting] = tried
        on_progress(done / len(VALUES))
    return Advice(measured(experiment), trials)
