"""Find the recurrent layers in files of Keras: .keras and .weights.h5 of Keras 3, and .h5 of any.

A layer is a group of arrays: `vars/0`, `vars/1`, `vars/2` of Keras 3, or kernel, recurrent_kernel and bias. What a
layer computes stands in the model's settings, where the file has them; nothing in these is built.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

import torch

from analysis.files.archives import open_archive
from analysis.files.errors import UnusableError, one_line
from analysis.files.limits import LARGEST_HEADER, require_size
from analysis.models.hdf5 import Arrays
from analysis.models.layouts import CELLS, RESET_BEFORE, Found, from_keras
from analysis.models.names import RESET, to_torch_names

FIRST = re.compile(r"(?P<base>.*/)(?P<name>vars/0|kernel|kernel:0)")
OTHERS = {
    "vars/0": ("vars/1", "vars/2"),
    "kernel": ("recurrent_kernel", "bias"),
    "kernel:0": ("recurrent_kernel:0", "bias:0"),
}
NOT_NAMED = ("layers", "model_weights", "cell", "_layer_checkpoint_dependencies")
CLASSES = ("SimpleRNN", "LSTM", "GRU")
DEEPEST = 40
UNKNOWN = "the file doesn't say the activations: taken are tanh and sigmoid"

Settings = dict[str, Mapping[str, Any]]  # of a recurrent layer, by its name


def read_keras(data: bytes) -> Found:
    """Read a .keras file: an archive of settings and weights; UnusableError for one without weights."""
    with open_archive(data) as archive:
        members = {member.filename: member for member in archive.infolist()}
        if "model.weights.h5" not in members:
            raise UnusableError("a ZIP without model.weights.h5: expected one as model.save of Keras 3 writes it")
        settings = members.get("config.json")
        if settings:
            require_size(settings.file_size, LARGEST_HEADER, "config.json")
        text = archive.read(settings).decode() if settings else ""
        return _layers(Arrays(archive.read(members["model.weights.h5"])), text)


def read_keras_weights(data: bytes) -> Found:
    """Read an .h5 file of weights, or of a whole model."""
    arrays = Arrays(data)
    return _layers(arrays, arrays.text("", "model_config"))


def _layers(arrays: Arrays, text: str) -> Found:
    """Return the recurrent layers among arrays, with the settings of the model in JSON, empty where unknown."""
    found, settings = Found(), Settings()
    model = json.loads(text) if text else {}
    _collect(model, settings, 0)
    for path in arrays.arrays:
        if not (match := FIRST.fullmatch(path)):
            continue
        base, (recurrent, bias) = match["base"], OTHERS[match["name"]]
        prefix, reverse = _place(arrays, base)
        if not _is_recurrent(arrays, path, base + recurrent):
            found.tensors[f"{prefix}.weight"] = torch.empty(0)  # a layer of another kind, by its name
            continue
        try:
            _require_torchs(own := settings.get(prefix.rpartition(".")[2], {}))
            weights = from_keras(arrays.arrays[path], arrays.arrays[base + recurrent], arrays.arrays.get(base + bias))
            found.add(prefix, weights, reverse=reverse)
            found.taken[prefix] = f"Keras's weights and order of gates{_said(own)}"
            gru = weights["weight_hh"].shape[0] == 3 * weights["weight_hh"].shape[1]
            found.taken[prefix] += RESET * (gru and not own and base + bias not in arrays.arrays)  # whose shape tells
            if "activation" in own:
                found.nonlinearities[prefix] = own["activation"]
        except UnusableError as error:
            found.refused[prefix] = str(error)
    if not (found.tensors or found.refused):  # the file is not of Keras
        return to_torch_names({path.replace("/", "."): array for path, array in arrays.arrays.items()})
    _stack(found, model)
    return found


def _stack(found: Found, model: object) -> None:
    """Put those layers of a model into one stack that read one another, and that nothing but these reads so."""
    layers, below = _layers_below(model)
    prefixes = {prefix.rpartition(".")[2]: prefix for prefix in found.taken}
    read = [_recurrent_below(name, layers, below) for name in prefixes]
    for name, lower in zip(list(prefixes), read, strict=True):
        if lower in prefixes and read.count(lower) == 1 and _hands_on(layers[lower]):
            own = layers[name]["config"]
            turned = own.get("go_backwards") or own.get("layer", {}).get("config", {}).get("go_backwards")
            if not turned and found.put_above(prefixes[lower], prefixes[name]):
                prefixes[name] = prefixes[lower]


def _layers_below(model: object) -> tuple[dict[str, Mapping[str, Any]], dict[str, str]]:
    """Return a model's layers by name, and for each that reads one layer alone, once, the name of that one."""
    kind = ""
    listed: list[Any] = []
    match model:
        case {"class_name": str(kind), "config": {"layers": list(listed)}}:
            pass
    layers: dict[str, Mapping[str, Any]] = {
        layer["config"]["name"]: layer
        for layer in listed
        if isinstance(layer, dict) and isinstance(layer.get("config"), dict) and "name" in layer["config"]
    }
    if kind == "Sequential":
        return layers, dict(zip([*layers][1:], layers, strict=False))
    below = {}
    for name, layer in layers.items():
        match layer:
            case {"inbound_nodes": [{"args": [{"config": {"keras_history": [str(lower), *_]}}]}]}:
                below[name] = lower
    return layers, below


def _recurrent_below(name: str, layers: Mapping[str, Mapping[str, Any]], below: Mapping[str, str]) -> str:
    """Return the layer that a layer reads, but for dropout between them; empty where it isn't known."""
    lower = below.get(name, "")
    for _ in range(DEEPEST):
        if lower not in layers or layers[lower].get("class_name") not in ("Dropout", "SpatialDropout1D"):
            break
        lower = below.get(lower, "")
    return lower if lower in layers else ""


def _hands_on(layer: Mapping[str, Any]) -> bool:
    """Return whether a recurrent layer hands on all its time steps in order, and its directions side by side."""
    config = layer["config"]
    own = config["layer"]["config"] if layer.get("class_name") == "Bidirectional" else config
    joined = layer.get("class_name") != "Bidirectional" or config.get("merge_mode") == "concat"
    return joined and own.get("return_sequences") is True and own.get("go_backwards") is not True


def _is_recurrent(arrays: Arrays, kernel: str, recurrent: str) -> bool:
    """Return whether two arrays have the shapes (D, g H) and (H, g H) of a recurrent layer."""
    if recurrent not in arrays.arrays:
        return False
    shape, own = arrays.arrays[kernel].shape, arrays.arrays[recurrent].shape
    return len(shape) == len(own) == 2 and shape[1] == own[1] and own[0] > 0 and own[1] in [g * own[0] for g in CELLS]


def _place(arrays: Arrays, base: str) -> tuple[str, bool]:
    """Return a layer's name, and whether its direction is the backward one, from the path of its arrays."""
    parts = [part for part in base.split("/") if part and part not in NOT_NAMED]
    if len(parts) > 1 and parts[-1].endswith("_cell"):
        parts.pop()
    reverse = parts[-1].startswith("backward_") and len(parts) > 1
    if reverse or (parts[-1].startswith("forward_") and len(parts) > 1):
        parts.pop()
    if base.startswith("layers/"):
        layer = base.rstrip("/").removesuffix("/cell")
        own = arrays.text(f"{layer.removesuffix('/backward_layer').removesuffix('/forward_layer')}/vars", "name")
        return ".".join([*parts[:-1], own or parts[-1]]), reverse  # Keras 3 numbers its groups by class
    return parts[-1], reverse


def _collect(part: object, settings: Settings, depth: int) -> None:
    """Collect the settings of recurrent layers from those of a model, by the name of the layer or of its wrapper."""
    if depth > DEEPEST:
        raise UnusableError("settings nested too deep")
    for value in part.values() if isinstance(part, dict) else part if isinstance(part, list) else []:
        _collect(value, settings, depth + 1)
    match part:
        case {"class_name": str(kind), "config": {"name": str(name)} as config} if kind in CLASSES:
            settings[name] = config
        case {"class_name": "Bidirectional", "config": {"name": str(name), "layer": {"config": dict(config)}}}:
            settings[name] = config
        case {"class_name": "RNN", "config": {"name": str(name), "cell": {"config": dict(config)}}}:
            settings[name] = config


def _require_torchs(settings: Mapping[str, Any]) -> None:
    """Raise an UnusableError for a layer that computes something else than torch's."""
    if settings.get("reset_after") is False:
        raise UnusableError(RESET_BEFORE.format("reset_after=False", "reset_after=True"))
    gated = "recurrent_activation" in settings
    for name, expected in (
        ("activation", ["tanh"] if gated else ["tanh", "relu"]),
        ("recurrent_activation", ["sigmoid"]),
    ):
        received = settings.get(name, expected[0])
        if received not in expected:
            raise UnusableError(f"{name}={one_line(str(received), 30)}: expected {' or '.join(expected)}")


def _said(settings: Mapping[str, Any]) -> str:
    """Return what else is to know of a layer, in words."""
    if not settings:
        return f"; {UNKNOWN}"
    said = "; it reads from the end, go_backwards=True" if settings.get("go_backwards") is True else ""
    return said + ("; its nonlinearity is relu" if settings.get("activation") == "relu" else "")
