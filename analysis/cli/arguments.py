"""The command line's options, and how their values are read. Needs no torch.

Each field of `Experiment` is an option.
"""

import math
from argparse import SUPPRESS, ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from analysis.experiment import SETTINGS, Experiment, accepted_values, setting_type
from analysis.models.limits import (
    RANDOM_SEED,
    RANDOM_SEQUENCES,
    RANDOM_STEPS,
    RANDOM_VARIANCE,
    SEQUENCES,
    STEPS,
)
from analysis.report.commands import option_name
from analysis.results import THRESHOLD

ABOUT = "Train, compare, or measure models untrained or from a file, and look after kept runs."
JOINS = (
    "A run of the same settings that the history keeps is joined: shown if it is finished, waited for if another "
    "process trains it, gone on with if it stopped."
)
SPECTRUM = (
    "Measure the Lyapunov exponents of untrained models, and the singular values of their memory state's Jacobian by "
    "distance. Of large models, fewer are measured, and it says so."
)
EXPLAIN = (
    "Measure untrained models with one setting changed at a time: how far back their gradient reaches, and how much "
    "their last memory state moves with the recurrent weights (the price). Large models are measured on fewer "
    "sequences."
)
FORMATS = {
    "json": "everything measured, as JSON",
    "csv": "the decay curves, as CSV",
    "html": "the figures, as one page for a browser",
}
SWEEP_FORMATS = {
    "json": "what came out of each setting, as JSON",
    "csv": "a row for each setting and seed, as CSV",
    "html": "a report with pictures and the grid, as one page for a browser",
}
HISTORY_COMMANDS = {
    "runs": "list the runs that are kept",
    "resume": "go on with a run that was interrupted or cancelled, or that failed",
    "export": "write a run to a file",
    "import": "take in a run from a file",
    "delete": "delete a run, or a watched model",
}
RANDOM_OPTIONS: dict[str, tuple[int | float, str]] = {  # by name: the default and the help
    "steps": (RANDOM_STEPS, f"Random inputs: time steps, from 2 to {STEPS}"),
    "sequences": (RANDOM_SEQUENCES, f"Random inputs: how many sequences, from 1 to {SEQUENCES}"),
    "variance": (RANDOM_VARIANCE, "Random inputs: their variance"),
    "seed": (RANDOM_SEED, "Random inputs: their seed"),
}
THRESHOLD_HELP = f"Share of the gradient that the horizon asks for: a number above 0, at most 1; default {THRESHOLD:g}"
STDOUT = "-"


class Parser(ArgumentParser):
    """An argument parser that raises a ValueError of one line, instead of printing the usage and exiting."""

    def error(self, message: str) -> NoReturn:
        """Raise ValueError with argparse's message."""
        raise ValueError(message)


def make_parser() -> Parser:
    """Return the parser of all commands."""
    parser = Parser(prog="python -m analysis", description=ABOUT, allow_abbrev=False)
    commands = parser.add_subparsers(
        dest="verb",
        required=True,
        metavar="{train,decay} or {" + ",".join(["sweep", "spectrum", "explain", "record", *HISTORY_COMMANDS]) + "}",
    )
    train, decay = (
        commands.add_parser(verb, help=about, description=description, allow_abbrev=False)
        for verb, about, description in (
            ("train", "train models and measure them", f"Train models and measure them. {JOINS}"),
            ("decay", "measure models untrained", "Measure models untrained."),
        )
    )
    _add_settings(train)
    _add_output(train)
    _add_store(train, with_none=True)
    _add_settings(decay, with_threshold=True)
    decay.add_argument("--theory", action="store_true", help="Say beside it what theory predicts for wide networks")
    _add_output(decay)
    _add_sweep(commands.add_parser("sweep", help="train a grid of settings and compare them", allow_abbrev=False))
    about = "say which directions of a gradient survive, in untrained models"
    spectrum = commands.add_parser("spectrum", help=about, description=SPECTRUM, allow_abbrev=False)
    _add_settings(spectrum)
    _add_output(spectrum, {format_: FORMATS[format_] for format_ in ("json", "html")})
    about = "say what would make untrained models remember further"
    explain = commands.add_parser("explain", help=about, description=EXPLAIN, allow_abbrev=False)
    _add_settings(explain)
    _add_output(explain)
    _add_record(commands.add_parser("record", help="measure a model of your own", allow_abbrev=False))
    for verb, about in HISTORY_COMMANDS.items():
        command = commands.add_parser(verb, help=about, description=f"{about.capitalize()}.", allow_abbrev=False)
        _add_history_command(verb, command)
    return parser


def _add_settings(command: ArgumentParser, *, with_threshold: bool = False) -> None:
    """Add an option for each setting of an experiment."""
    group = command.add_argument_group("settings")
    for name in SETTINGS:
        group.add_argument(option_name(name), default=SUPPRESS, metavar="VALUE", help=_help(name))
    if with_threshold:
        group.add_argument("--threshold", default=f"{THRESHOLD:g}", metavar="VALUE", help=THRESHOLD_HELP)


def _add_sweep(command: ArgumentParser) -> None:
    """Add the arguments of `sweep`."""
    command.description = (
        "Train what a grid file asks for, and compare it. Finished runs that the history keeps are not trained again: "
        "after Ctrl-C, the same command goes on."
    )
    command.add_argument("grid", metavar="GRID", help="A TOML file: a table [settings], where a list is an axis")
    command.add_argument(
        "--engine", metavar="ADDRESS", help="Train on a dask cluster: dask://host:port or tls://host:port; else here"
    )
    _add_output(command, SWEEP_FORMATS)
    _add_store(command, with_none=True)


def _add_record(command: ArgumentParser) -> None:
    """Add the arguments of `record`."""
    command.description = "Measure the recurrent layers in a state dict; nothing in the files is executed."
    command.add_argument(
        "weights", metavar="WEIGHTS", help="The model: .safetensors, .pt, .ckpt, .npz, .keras, .h5, .onnx"
    )
    command.add_argument("--data", metavar="FILE", help="Inputs (T, D) or (N, T, D): .npy, .npz or .csv; else random")
    command.add_argument("--time-first", action="store_true", help="Inputs of three axes are (T, N, D)")
    command.add_argument("--layer", metavar="NAME", help="Which layers, where there are several")
    command.add_argument(
        "--take", metavar="PART=NAME", action="append", default=[],
        help="Which tensor of the file is which: weight_ih, weight_hh, bias_ih, bias_hh; once for each",
    )  # fmt: skip
    command.add_argument("--order", metavar="GATES", help="The gates' order with --take, as iofg, zrn; default torch's")
    command.add_argument("--depth", metavar="K", help="Which of stacked layers, the lowest is 0; default the top one")
    command.add_argument("--nonlinearity", metavar="VALUE", help="Of an RNN: tanh or relu; default the file's, or tanh")
    for name, (default, text) in RANDOM_OPTIONS.items():
        command.add_argument(option_name(name), metavar="VALUE", help=f"{text}; default {default}")
    command.add_argument("--threshold", default=f"{THRESHOLD:g}", metavar="VALUE", help=THRESHOLD_HELP)
    _add_output(command)


def _add_history_command(verb: str, command: ArgumentParser) -> None:
    """Add the arguments of a command that manages the history."""
    if verb in ("resume", "export", "delete"):
        command.add_argument("id", metavar="ID", help="What `runs` lists it under")
    if verb in ("export", "import"):
        command.add_argument("file", metavar="FILE", help="The file of one run")
    if verb == "runs":
        command.add_argument("--json", action="store_true", help="Print the runs as JSON, without watched models")
    if verb == "resume":
        _add_output(command)
    _add_store(command)


def _add_output(command: ArgumentParser, formats: Mapping[str, str] = FORMATS) -> None:
    """Add an option for each format that a result can be written in; the others stay unset."""
    group = command.add_argument_group("output")
    command.set_defaults(**dict.fromkeys(FORMATS))
    for format_, what in formats.items():
        group.add_argument(option_name(format_), metavar="FILE", help=f"Write {what}; {STDOUT} is standard output")


def _add_store(command: ArgumentParser, *, with_none: bool = False) -> None:
    """Add the option --store, and with `with_none` also --no-store."""
    group = command.add_argument_group("history")
    group.add_argument("--store", metavar="PATH", help="Where runs are kept; unset, GOLDFISH_STORE or the user's data")
    if with_none:
        group.add_argument("--no-store", action="store_true", help="Train anew and keep nothing")


def _help(name: str) -> str:
    """Return a setting's help: what it is, what it accepts, what it applies to, its default."""
    setting = SETTINGS[name]
    only = []
    if setting.applies_to != SETTINGS["cell"].choices:
        only.append(f"cell {', '.join(setting.applies_to)}")
    if setting.tasks != SETTINGS["task"].choices:
        only.append(f"task {', '.join(setting.tasks)}")
    applies = f"; only {' and '.join(only)}" if only else ""
    text = f"{setting.help.rstrip('.')}: {accepted_values(name)}{applies}; default {setting.default}"
    return text.replace("%", "%%")  # argparse formats a help text by %


def experiment_from(arguments: Mapping[str, Any]) -> Experiment:
    """Build the experiment of the options that were given; ValueError for a setting that is not accepted."""
    return Experiment.from_dict({name: _read(name, arguments[name]) for name in SETTINGS if name in arguments})


def _read(name: str, text: str) -> str | int | float | None:
    """Convert a text to a setting's type; return it unchanged where that fails, for `Experiment` to refuse."""
    type_, optional = setting_type(name)
    if optional and type_ is not str and text == "None":
        return None
    try:
        return type_(text)
    except ValueError:
        return text


def parse_threshold(text: str) -> float:
    """Return the threshold of horizons, a share of the gradient; ValueError where it is not above 0 and at most 1."""
    try:
        threshold = float(text)
    except ValueError:
        threshold = math.nan
    if not 0 < threshold <= 1:  # also false for NaN
        raise ValueError(f"threshold={text}: expected a number above 0, at most 1")
    return threshold


def read_bytes(path: str, largest: int) -> bytes:
    """Return a file's bytes; a ValueError names the file where it can't be read or has more than `largest`."""
    try:
        with Path(path).open("rb") as file:
            content = file.read(largest + 1)
        if len(content) > largest:
            raise ValueError(f"more than {largest:,} bytes: expected at most {largest:,}")
        return content
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise ValueError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
