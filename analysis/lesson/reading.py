"""One sentence read by one model, word by word: all that flows, what it predicts, and what that depends on."""

from collections.abc import Mapping

import numpy as np
import torch

from analysis.engine.cells import LAYERS
from analysis.engine.initialization import Weights, initial_weights
from analysis.engine.network import embed, readout
from analysis.engine.norms import norm
from analysis.engine.unroll import Unroll, one_thread
from analysis.experiment import Experiment, read_text
from analysis.results import Reading
from analysis.tasks.registry import build_task
from analysis.tasks.vocabulary import corpus

MOST_WORDS = 40  # words of a sentence; what follows is left out
SQUASH = {"tanh": np.tanh, "relu": lambda x: np.maximum(x, 0), "identity": lambda x: x}


@torch.no_grad()
def read_sentence(experiment: Experiment, weights: Weights, words: list[str]) -> Reading:
    """Run the first model over the first words of a sentence, and back from each prediction.

    Args:
        experiment: a words task; gives the cell, the activation and the text that names the known words.
        weights: of the experiment's models, (S, ...), trained or not.
        words: as `words.split` returns them, at least one.

    Raises:
        ValueError: for no word at all, and for weights without an embedding of this text's words.
    """
    if not words:
        raise ValueError("words=[]: expected at least one word")
    weights = {name: weight[:1].detach().double() for name, weight in weights.items()}
    vocabulary = corpus(read_text(experiment.text_file)[0]).vocabulary
    if "embedding.weight" not in weights or weights["embedding.weight"].shape[1] != vocabulary.size:
        raise ValueError(f"weights without an embedding of {vocabulary.size} words: expected a words task's")
    read_words = words[:MOST_WORDS]
    T, codes = len(read_words), vocabulary.encode(read_words)
    # The sentence T times, so that one way back serves all T predictions.
    inputs = embed(weights, codes.unsqueeze(1).expand(T, T))  # (T, 1, T, E)
    with one_thread():
        unroll = Unroll(experiment.cell, experiment.activation, weights, T, T)
        unroll.start()
        top = unroll.forward(inputs)  # (T, 1, H, T)
        logits = readout(weights, top)[0, :, 0]  # (T, V)
        likely = logits.argmax(-1)
        wanted = torch.cat([codes[1:], likely[-1:]])
        output_grad = torch.zeros_like(top)
        steps = torch.arange(T)
        output_grad[steps, 0, :, steps] = weights["readout.weight"][0, wanted]
        unroll.backward(output_grad)
        sizes = torch.from_numpy(norm(unroll.layers[0].dx[:, 0].numpy(), 1)).T  # (T, T)
        tape = unroll.tape(weight_grad=False)
    chances = logits.softmax(-1)
    pairs = torch.stack([chances[steps, likely], chances[steps, wanted]], 1)
    embedded = inputs[:, 0, 0].numpy()
    first = {"hidden": tape.hidden, "cell": tape.cell} | tape.gates
    states = {name: values[0, 0, :, 0].copy() for name, values in first.items() if values is not None}
    before = {f"{name}_before": _earlier(states[name]) for name in ("hidden", "cell") if name in states}
    shares = _shares(experiment, weights, embedded, before["hidden_before"])
    return Reading(
        cell=experiment.cell,
        activation=experiment.activation,
        words=tuple(read_words),
        left_out=len(words) - T,
        known=(codes != vocabulary.unknown).numpy(),
        embedded=embedded,
        parts=_with_products(experiment, states | before, shares),
        shares=shares,
        wanted=(*read_words[1:], vocabulary.word(int(likely[-1]))),
        predicted=tuple(vocabulary.word(code) for code in likely.tolist()),
        probability=pairs.numpy(),
        connectivity=np.where(np.tri(T, dtype=bool), sizes.numpy(), np.nan),
    )


def read_with_model(
    experiment: Experiment, words: list[str], trained: Mapping[str, np.ndarray] | None = None
) -> Reading:
    """Read the first words of a sentence with an experiment's first model.

    Args:
        experiment: a words task, as for `read_sentence`.
        words: at least one.
        trained: the weights (S, ...) of the experiment's run; None reads with the initial weights.

    Raises:
        ValueError: as `read_sentence`, and where the experiment's text cannot be used.
    """
    if trained is None:
        task = build_task(experiment)
        weights, _ = initial_weights(experiment, task.inputs, task.outputs, task.vocabulary)
    else:
        weights = {name: torch.from_numpy(weight) for name, weight in trained.items()}
    return read_sentence(experiment, weights, words)


def _earlier(states: np.ndarray) -> np.ndarray:
    """The state before each word; zero before the first."""
    return np.concatenate([np.zeros_like(states[:1]), states[:-1]])


def _shares(
    experiment: Experiment, weights: Weights, embedded: np.ndarray, before: np.ndarray
) -> dict[str, np.ndarray]:
    names = LAYERS[experiment.cell].gates or ("hidden",)
    w = {name.removesuffix("_l0"): weight[0].numpy() for name, weight in weights.items()}
    by_word, by_memory = embedded @ w["weight_ih"].T, before @ w["weight_hh"].T  # (T, GH)
    sums = np.stack(np.broadcast_arrays(by_word, by_memory, w["bias_ih"], w["bias_hh"]), -1)
    return dict(zip(names, np.split(sums, len(names), axis=1), strict=True))


def _with_products(
    experiment: Experiment, parts: dict[str, np.ndarray], shares: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Add what an LSTM or a GRU multiplies on the way."""
    if experiment.cell == "lstm":
        products = {
            "kept": parts["forget"] * parts["cell_before"],
            "stored": parts["input"] * parts["candidate"],
            "squashed": SQUASH[experiment.activation](parts["cell"]),
        }
    elif experiment.cell == "gru":
        products = {
            "recalled": parts["reset"] * (shares["candidate"][..., 1] + shares["candidate"][..., 3]),
            "kept": parts["update"] * parts["hidden_before"],
            "stored": (1 - parts["update"]) * parts["candidate"],
        }
    else:
        products = {}
    return parts | products
