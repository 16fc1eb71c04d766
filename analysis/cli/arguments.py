"""The command line's options, what is read from what was typed (an experiment, layers and inputs), and what to type.

A setting is an option because it is a field of `Experiment`.
"""

from argparse import SUPPRESS, ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from torch import Tensor

from analysis.experiment import SETTINGS, Experiment, accepted_values, setting_type
from analysis.models.files import LARGEST
from analysis.models.layers import (
    SEQUENCES,
    STEPS,
    Found,
    describe_inputs,
    fit_inputs,
    random_inputs,
    read_inputs,
    read_recurrent,
)
from analysis.report.commands import option_name

ABOUT = "Train, or measure models untrained or from a file, and look after kept runs."
JOINS = (
    "A run of the same settings that the history keeps is joined: shown if it is finished, waited for if another "
    "process trains it, gone on with if it stopped."
)
FORMATS = {
    "json": "everything measured, as JSON",
    "csv": "the decay curves, as CSV",
    "html": "the figures, as one page for a browser",
}
KEPT = {
    "runs": "list the runs that are kept",
    "resume": "go on with a run that was interrupted or cancelled, or that failed",
    "export": "write a run to a file",
    "import": "take in a run from a file",
    "delete": "delete a run, or a watched model",
}
RANDOM = {  # option: its type, default and what it says
    "steps": (int, 100, f"Random inputs: steps, from 2 to {STEPS}"),
    "sequences": (int, 16, f"Random inputs: how many sequences, from 1 to {SEQUENCES}"),
    "variance": (float, 1.0, "Random inputs: their variance"),
    "seed": (int, 0, "Random inputs: their seed"),
}
STDOUT = "-"


class Parser(ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Refuse what was typed."""
        raise ValueError(message)


def make_parser() -> Parser:
    """Make the parser: an option for every setting, and where to write."""
    whole = Parser(prog="python -m analysis", description=ABOUT, allow_abbrev=False)
    commands = whole.add_subparsers(
        dest="verb", required=True, metavar="{train,decay} or {" + ",".join(["record", *KEPT]) + "}"
    )
    for verb, about in (("train", "train models and measure them"), ("decay", "measure models untrained")):
        joins = f" {JOINS}" * (verb == "train")
        description = f"{about.capitalize()}.{joins}"
        command = commands.add_parser(verb, help=about, description=description, allow_abbrev=False)
        settings = command.add_argument_group("settings")
        for name in SETTINGS:
            settings.add_argument(option_name(name), default=SUPPRESS, metavar="VALUE", help=_help(name))
        if verb == "decay":
            _add_threshold(settings)
        _add_output(command)
        if verb == "train":
            _add_store(command).add_argument("--no-store", action="store_true", help="Train anew and keep nothing")
    _add_record(commands.add_parser("record", help="measure a model of your own", allow_abbrev=False))
    for verb, about in KEPT.items():
        command = commands.add_parser(verb, help=about, description=f"{about.capitalize()}.", allow_abbrev=False)
        if verb in ("resume", "export", "delete"):
            command.add_argument("id", metavar="ID", help="What `runs` lists it under")
        if verb in ("export", "import"):
            command.add_argument("file", metavar="FILE", help="The file of one run")
        if verb == "runs":
            command.add_argument("--json", action="store_true", help="Print the runs as JSON, without watched models")
        if verb == "resume":
            _add_output(command)
        _add_store(command)
    return whole


def _add_record(command: ArgumentParser) -> None:
    command.description = "Measure the recurrent layers in a state dict; nothing in the files is executed."
    command.add_argument("weights", metavar="WEIGHTS", help="The state dict: .safetensors, .pt or .pth")
    command.add_argument("--data", metavar="FILE", help="Inputs (T, D) or (N, T, D): .npy, .npz or .csv; else random")
    command.add_argument("--time-first", action="store_true", help="Inputs of three axes are (T, N, D)")
    command.add_argument("--layer", metavar="NAME", help="Which layers, where there are several")
    command.add_argument("--nonlinearity", metavar="VALUE", help="Of an RNN: tanh or relu; default tanh")
    for name, (_, default, what) in RANDOM.items():
        command.add_argument(option_name(name), metavar="VALUE", help=f"{what}; default {default}")
    _add_threshold(command)
    _add_output(command)


def _add_threshold(settings: Any) -> None:  # noqa: ANN401
    what = "Share of the gradient that the horizon asks for: a number above 0, at most 1; default 0.01"
    settings.add_argument("--threshold", default="0.01", metavar="VALUE", help=what)


def _add_output(command: ArgumentParser) -> None:
    output = command.add_argument_group("output")
    for format_, what in FORMATS.items():
        output.add_argument(option_name(format_), metavar="FILE", help=f"Write {what}; {STDOUT} is standard output")


def _add_store(command: ArgumentParser) -> Any:  # noqa: ANN401
    kept = command.add_argument_group("history")
    kept.add_argument("--store", metavar="PATH", help="Where runs are kept; unset, GOLDFISH_STORE or the user's data")
    return kept


def _help(name: str) -> str:
    about, default = SETTINGS[name], SETTINGS[name].default
    only = [f"cell {', '.join(about.applies_to)}"] * (about.applies_to != SETTINGS["cell"].choices)
    only += [f"task {', '.join(about.tasks)}"] * (about.tasks != SETTINGS["task"].choices)
    applies = f"; only {' and '.join(only)}" if only else ""
    return f"{about.help.rstrip('.')}: {accepted_values(name)}{applies}; default {default}".replace("%", "%%")


def experiment_from(arguments: Mapping[str, Any]) -> Experiment:
    """Build the experiment that was typed, which refuses what is wrong."""
    return Experiment(**{name: _read(name, arguments[name]) for name in SETTINGS if name in arguments})


def _read(name: str, text: str) -> str | int | float | None:
    """Read a setting's value; what can't be read stays the text it is."""
    type_, optional = setting_type(name)
    if optional and type_ is not str and text == "None":
        return None
    try:
        return type_(text)
    except ValueError:
        return text


def parse_threshold(text: str) -> float:
    """Read the threshold."""
    try:
        threshold = float(text)
    except ValueError:
        threshold = -1.0
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold={text}: expected a number above 0, at most 1")
    return threshold


def layers_from(arguments: Mapping[str, Any]) -> Found:
    """Choose the layers that were named, or the only ones."""
    every = read_recurrent(read_bytes(arguments["weights"]), Path(arguments["weights"]).name)
    usable = [found for found in every if not found.refusal]
    layer = arguments["layer"]
    chosen = [found for found in every if found.name == layer] if layer is not None else usable or every
    if len(chosen) != 1:
        names = ", ".join(found.name for found in usable)
        received = f"layer={layer}" if layer is not None else f"{len(chosen)} layers"
        raise ValueError(f"{received}: expected --layer with one of {names or 'none, as none can be measured'}")
    return chosen[0]


def inputs_from(arguments: Mapping[str, Any], found: Found) -> tuple[Tensor, str, str, dict[str, Any]]:
    """Read or draw the inputs; return them, what was read, what was cut, and where they come from."""
    data, options = arguments["data"], {}
    for name, (type_, default, _) in RANDOM.items():
        text = arguments[name]
        if data and text is not None:
            raise ValueError(f"{name}={text}: expected with random inputs only, not with --data")
        try:
            options[name] = default if text is None else type_(text)
        except ValueError:
            raise ValueError(f"{name}={text}: expected a {'whole ' * (type_ is int)}number") from None
    time_first = arguments["time_first"]
    if data:
        array = read_inputs(read_bytes(data), Path(data).name, found)
        inputs, cut = fit_inputs(found, array, time_first)
        read, likelier = describe_inputs(array, time_first)
        other = f" (likelier {likelier}: {'without' if time_first else 'with'} --time-first)" if likelier else ""
        return inputs, f"Read: {read}{other}.", cut, {"file": data}
    if time_first:
        raise ValueError("time-first: expected with --data only")
    drawn = random_inputs(found, options["steps"], options["sequences"], options["variance"], options["seed"])
    inputs, cut = fit_inputs(found, drawn)
    return inputs, "", cut, options


def read_bytes(path: str, largest: int | None = None) -> bytes:
    """Read a file; a ValueError names it where it can't be, or is too large."""
    largest = largest or LARGEST
    try:
        with Path(path).open("rb") as file:
            content = file.read(largest + 1)
        if len(content) > largest:
            raise ValueError(f"more than {largest:,} bytes: expected at most {largest:,}")
        return content
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise ValueError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
