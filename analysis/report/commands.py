"""The command lines that repeat an experiment, or the measurement of a model from a file."""

import shlex
from collections.abc import Sequence

from analysis.experiment import SETTINGS, Experiment


def option_name(name: str) -> str:
    """Return the command-line option of a setting, such as "--hidden-size"."""
    return "--" + name.replace("_", "-")


def repeat_command(experiment: Experiment, verb: str = "train") -> str:
    """Return the command that repeats an experiment: its cell, and what differs from the defaults.

    >>> repeat_command(Experiment(cell="gru", forget_bias=-1))
    'python -m analysis train --cell gru --forget-bias=-1.0'
    """
    words = ["python", "-m", "analysis", verb]
    for name, value in experiment.as_dict().items():
        if name == "cell" or value != SETTINGS[name].default:
            text = str(value)
            words += [f"{option_name(name)}={text}"] if text.startswith("-") else [option_name(name), text]
    return shlex.join(words)


def record_command(file: str, options: Sequence[str]) -> str:
    """Return the command that measures the recurrent layers in a file.

    >>> record_command("my model.pt", ["--steps", "30"])
    "python -m analysis record 'my model.pt' --steps 30"
    """
    return shlex.join(["python", "-m", "analysis", "record", file, *options])
