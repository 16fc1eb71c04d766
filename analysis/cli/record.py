"""The command that measures a user's own model: record."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from analysis.cli import summary
from analysis.cli.arguments import RANDOM_OPTIONS, parse_threshold, read_bytes
from analysis.cli.measure import answer_figures, decay_curves, exit_status, measured_figures
from analysis.cli.output import Outcome, writable_targets, write_outcome
from analysis.experiment import Experiment
from analysis.files.limits import LARGEST
from analysis.models.files import read_weights
from analysis.models.inputs import describe_inputs, fit_inputs, random_inputs, read_inputs
from analysis.models.layers import RecurrentStack, read_recurrent, take_layers, to_module
from analysis.models.limits import NONLINEARITIES
from analysis.models.measuring import answer_module, measure_module
from analysis.report import documents
from analysis.report.commands import option_name, record_command

NAMED_OPTIONS = ("data", "layer", "depth", "order", "nonlinearity", *RANDOM_OPTIONS)  # those that take a value


def record_model(arguments: Mapping[str, Any]) -> int:
    """Measure a model from a file; write the result and return the exit status."""
    targets = writable_targets(arguments)
    outcome = recorded_outcome(arguments, parse_threshold(arguments["threshold"]))
    named = [name for name in NAMED_OPTIONS if arguments[name] is not None]
    options = [word for name in named for word in (option_name(name), arguments[name])]
    if arguments["time_first"]:
        options.append("--time-first")
    options += [word for part in arguments["take"] for word in ("--take", part)]
    return write_outcome(outcome, targets, record_command(arguments["weights"], options))


def recorded_outcome(arguments: Mapping[str, Any], threshold: float) -> Outcome:
    """Measure the recurrent layers in a file on inputs from another file, or on random ones."""
    stack = chosen_layers(arguments)
    cell, nonlinearity = stack.cell, arguments["nonlinearity"] or stack.nonlinearity or "tanh"
    if arguments["nonlinearity"] not in (None, *(NONLINEARITIES if cell == "rnn" else ("tanh",))):
        raise ValueError(f"nonlinearity={nonlinearity}: expected tanh or relu for an RNN, tanh for the others")
    module = to_module(stack, nonlinearity)
    inputs, read, cut, source = chosen_inputs(arguments, stack)
    layer = _depth(arguments["depth"], stack)
    measured, tape = measure_module(module, inputs, threshold, stack.direction, layer)
    found = answer_module(module, inputs, tape, stack.direction)
    about = {
        "model": _model_document(stack, arguments["weights"], nonlinearity),
        "inputs": source | {"shape": inputs.shape, "note": cut},
        "look_back": found.look_back,
        "in_force": found.in_force,
        "time_scales": found.time_scales,
        "influence": found.influence,
    }
    taken = f"Layers: {stack.taken}." if stack.taken else ""
    if cell == "rnn" and not (arguments["nonlinearity"] or stack.nonlinearity):
        taken = (
            f"{taken} The file doesn't say its nonlinearity: taken is tanh; --nonlinearity relu is the other.".strip()
        )
    lines = [taken, read, cut, summary.describe_decay(stack.label, measured.decay), *summary.describe_answers(found)]
    return Outcome(
        status=exit_status(measured),
        summary="\n".join(line for line in lines if line),
        document=documents.measured_document(about, measured),
        curves=decay_curves(Experiment(cell=cell), "recorded", measured),
        figures=lambda: (
            measured_figures(cell, nonlinearity, measured) | answer_figures(cell, found, -1 if layer is None else layer)
        ),
    )


def _depth(text: str | None, stack: RecurrentStack) -> int | None:
    """Return which of the stacked layers is measured; None where none is named: the top one."""
    if text is None:
        return None
    if not text.isdecimal() or int(text) >= stack.layers:
        raise ValueError(f"depth={text}: expected a whole number from 0, the lowest layer, to {stack.layers - 1}")
    return int(text)


def _model_document(stack: RecurrentStack, file: str, nonlinearity: str) -> dict[str, Any]:
    """Return the description of a model for the JSON."""
    return {
        "file": file,
        "layer": stack.name,
        "cell": stack.cell,
        "input_size": stack.input_size,
        "hidden_size": stack.hidden_size,
        "layers": stack.layers,
        "bias": stack.bias,
        "projection": stack.projection,
        "nonlinearity": nonlinearity,
        "part": stack.part,
        "taken": stack.taken,
    }


def chosen_layers(arguments: Mapping[str, Any]) -> RecurrentStack:
    """Return the recurrent layers that `--layer` names, or the only ones in the file.

    Raises:
        ValueError: where there are several, or none of that name.
    """
    data, file = read_bytes(arguments["weights"], LARGEST), Path(arguments["weights"]).name
    if arguments["take"]:
        return take_layers(read_weights(data, file), _parts_taken(arguments["take"]), arguments["order"] or "")
    if arguments["order"] is not None:
        raise ValueError(f"order={arguments['order']}: expected with --take only")
    layers = read_recurrent(data, file)
    usable = [stack for stack in layers if not stack.refusal]
    alone = [stack for stack in usable if not stack.backward]  # a forward direction is taken where none is named
    name = arguments["layer"]
    chosen = alone or layers if name is None else [stack for stack in layers if stack.name == name]
    if len(chosen) != 1:
        names = ", ".join(stack.name for stack in usable)
        received = f"{len(chosen)} layers" if name is None else f"layer={name}"
        raise ValueError(f"{received}: expected --layer with one of {names or 'none, as none can be measured'}")
    return chosen[0]


def _parts_taken(texts: list[str]) -> dict[str, str]:
    """Return the names of tensors by the part that each is taken for; ValueError unless each is PART=NAME."""
    for text in texts:
        if "=" not in text:
            raise ValueError(f"take={text}: expected PART=NAME, as in weight_hh=encoder.U")
    return dict(text.split("=", 1) for text in texts)


def chosen_inputs(arguments: Mapping[str, Any], stack: RecurrentStack) -> tuple[Tensor, str, str, dict[str, Any]]:
    """Read or draw the inputs of a model.

    Returns:
        The inputs, how a file was read, what was cut off, and where the inputs come from, for the JSON.

    Raises:
        ValueError: for a file or an option that can't be used.
    """
    options = _random_options(arguments)
    if arguments["data"]:
        return _inputs_from_file(arguments["data"], stack, arguments["time_first"])
    if arguments["time_first"]:
        raise ValueError("time-first: expected with --data only")
    inputs = random_inputs(stack, options["steps"], options["sequences"], options["variance"], options["seed"])
    fitted, cut = fit_inputs(stack, inputs)
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


def _inputs_from_file(file: str, stack: RecurrentStack, time_first: bool) -> tuple[Tensor, str, str, dict[str, Any]]:
    """Read inputs from a file, in the order of axes that was named."""
    array = read_inputs(read_bytes(file, LARGEST), Path(file).name, stack)
    inputs, cut = fit_inputs(stack, array, time_first)
    read, likelier = describe_inputs(array, time_first)
    other = f" (likelier {likelier}: {'without' if time_first else 'with'} --time-first)" if likelier else ""
    return inputs, f"Read: {read}{other}.", cut, {"file": file}
