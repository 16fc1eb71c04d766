"""The command that measures a user's own model: record."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from analysis.cli import summary
from analysis.cli.arguments import RANDOM_OPTIONS, parse_threshold, read_bytes
from analysis.cli.measure import decay_curves, exit_status, measured_figures
from analysis.cli.output import Outcome, writable_targets, write_outcome
from analysis.experiment import Experiment
from analysis.measures.memory import output_memory
from analysis.models.inputs import describe_inputs, fit_inputs, random_inputs, read_inputs
from analysis.models.layers import RecurrentStack, read_recurrent, to_module
from analysis.models.limits import LARGEST, NONLINEARITIES
from analysis.models.measuring import measure_module
from analysis.report import documents
from analysis.report.commands import option_name, record_command


def record_model(arguments: Mapping[str, Any]) -> int:
    """Measure a model from a file; write the result and return the exit status."""
    targets = writable_targets(arguments)
    outcome = recorded_outcome(arguments, parse_threshold(arguments["threshold"]))
    named = [name for name in ("data", "layer", "nonlinearity", *RANDOM_OPTIONS) if arguments[name] is not None]
    options = [word for name in named for word in (option_name(name), arguments[name])]
    if arguments["time_first"]:
        options.append("--time-first")
    return write_outcome(outcome, targets, record_command(arguments["weights"], options))


def recorded_outcome(arguments: Mapping[str, Any], threshold: float) -> Outcome:
    """Measure the recurrent layers in a file on inputs from another file, or on random ones."""
    found = chosen_layers(arguments)
    cell, nonlinearity = found.cell, arguments["nonlinearity"] or "tanh"
    if arguments["nonlinearity"] not in (None, *(NONLINEARITIES if cell == "rnn" else ("tanh",))):
        raise ValueError(f"nonlinearity={nonlinearity}: expected tanh or relu for an RNN, tanh for the others")
    module = to_module(found, nonlinearity)
    inputs, read, cut, source = chosen_inputs(arguments, found)
    measured, _ = measure_module(module, inputs, threshold)
    about = {
        "model": _model_document(found, arguments["weights"], nonlinearity),
        "inputs": source | {"shape": inputs.shape, "note": cut},
        "memory": output_memory(module, inputs),
    }
    lines = [read, cut, summary.describe_decay(found.label, measured.decay)]
    return Outcome(
        status=exit_status(measured),
        summary="\n".join(line for line in lines if line),
        document=documents.measured_document(about, measured),
        curves=decay_curves(Experiment(cell=cell), "recorded", measured),
        figures=lambda: measured_figures(cell, nonlinearity, measured),
    )


def _model_document(found: RecurrentStack, file: str, nonlinearity: str) -> dict[str, Any]:
    """Return what the JSON tells about a model."""
    return {
        "file": file,
        "layer": found.name,
        "cell": found.cell,
        "input_size": found.input_size,
        "hidden_size": found.hidden_size,
        "layers": found.layers,
        "bias": found.bias,
        "nonlinearity": nonlinearity,
        "part": found.part,
    }


def chosen_layers(arguments: Mapping[str, Any]) -> RecurrentStack:
    """Return the recurrent layers that `--layer` names, or the only ones in the file.

    Raises:
        ValueError: where there are several, or none of that name.
    """
    layers = read_recurrent(read_bytes(arguments["weights"], LARGEST), Path(arguments["weights"]).name)
    usable = [found for found in layers if not found.refusal]
    name = arguments["layer"]
    chosen = usable or layers if name is None else [found for found in layers if found.name == name]
    if len(chosen) != 1:
        names = ", ".join(found.name for found in usable)
        received = f"{len(chosen)} layers" if name is None else f"layer={name}"
        raise ValueError(f"{received}: expected --layer with one of {names or 'none, as none can be measured'}")
    return chosen[0]


def chosen_inputs(arguments: Mapping[str, Any], found: RecurrentStack) -> tuple[Tensor, str, str, dict[str, Any]]:
    """Read or draw the inputs of a model.

    Returns:
        The inputs, how a file was read, what was cut off, and where the inputs come from, for the JSON.

    Raises:
        ValueError: for a file or an option that can't be used.
    """
    options = _random_options(arguments)
    if arguments["data"]:
        return _inputs_from_file(arguments["data"], found, arguments["time_first"])
    if arguments["time_first"]:
        raise ValueError("time-first: expected with --data only")
    inputs = random_inputs(found, options["steps"], options["sequences"], options["variance"], options["seed"])
    fitted, cut = fit_inputs(found, inputs)
    return fitted, "", cut, options


def _random_options(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of random inputs; a ValueError for one beside `--data`, or for one that is no number."""
    options = {}
    for name, (default, _) in RANDOM_OPTIONS.items():
        text, type_ = arguments[name], type(default)
        if arguments["data"] and text is not None:
            raise ValueError(f"{name}={text}: expected with random inputs only, not with --data")
        try:
            options[name] = default if text is None else type_(text)
        except ValueError:
            number = "whole number" if type_ is int else "number"
            raise ValueError(f"{name}={text}: expected a {number}") from None
    return options


def _inputs_from_file(file: str, found: RecurrentStack, time_first: bool) -> tuple[Tensor, str, str, dict[str, Any]]:
    """Read inputs from a file, in the order of axes that was named."""
    array = read_inputs(read_bytes(file, LARGEST), Path(file).name, found)
    inputs, cut = fit_inputs(found, array, time_first)
    read, likelier = describe_inputs(array, time_first)
    other = f" (likelier {likelier}: {'without' if time_first else 'with'} --time-first)" if likelier else ""
    return inputs, f"Read: {read}{other}.", cut, {"file": file}
