"""Read a sentence with one model: the numbers at every word, the predictions, and what each prediction depends on."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from analysis.engine.cells import LAYERS
from analysis.engine.initialization import Weights, initial_weights
from analysis.engine.network import embed, readout
from analysis.engine.norms import norm
from analysis.engine.unroll import Unroll, one_thread
from analysis.experiment import Experiment
from analysis.reading import Alone, Reading
from analysis.results import Tape
from analysis.sources import read_text
from analysis.tasks.registry import build_task
from analysis.tasks.vocabulary import Vocabulary, encode_words

MOST_WORDS = 40  # words of a sentence that are read; later ones are left out
ACTIVATION: dict[str, Callable[..., np.ndarray]] = {
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "identity": lambda x: x,
}


class _Passes(NamedTuple):
    """Results of one forward pass over T words, and of one backward pass from each prediction of the next word."""

    tape: Tape
    embedded: np.ndarray  # (T, E)
    chances: Tensor  # (T, V) probability of each word to be the next one
    likely: Tensor  # (T,) the most probable next word
    following: Tensor  # (T,) the next word of the sentence; after the last, the most probable one
    gradient: np.ndarray  # (T, T) norm of the gradient of a following word's logit by each word's numbers


@torch.no_grad()
def read_sentence(experiment: Experiment, weights: Weights, words: list[str]) -> Reading:
    """Read the first words of a sentence with the first model; compute how each prediction depends on each word.

    Args:
        experiment: a words task; gives the cell, the activation and the text from which the vocabulary comes.
        weights: those of the experiment's models, (S, ...), trained or not.
        words: as `split_words` returns them, at least one.

    Raises:
        ValueError: for no word at all, and for weights without an embedding of this text's words.
    """
    vocabulary, weights, codes = encode_for_first(experiment, weights, words)
    T = len(codes)
    read_words = words[:T]
    passes = _run(experiment, weights, codes)
    parts = _recorded_parts(passes.tape)
    shares = _shares(experiment, weights, passes.embedded, parts["hidden_before"])
    steps = torch.arange(T)
    probability = torch.stack([passes.chances[steps, code] for code in (passes.likely, passes.following)], 1)
    return Reading(
        cell=experiment.cell,
        activation=experiment.activation,
        words=tuple(read_words),
        left_out=len(words) - T,
        known=(codes != vocabulary.unknown).numpy(),
        embedded=passes.embedded,
        parts=parts | _products(experiment, parts, shares),
        shares=shares,
        wanted=(*read_words[1:], vocabulary.word(int(passes.likely[-1]))),
        predicted=tuple(vocabulary.word(code) for code in passes.likely.tolist()),
        probability=probability.numpy(),
        connectivity=np.where(np.tri(T, dtype=bool), passes.gradient, np.nan),
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
    return read_sentence(experiment, model_weights(experiment, trained), words)


@torch.no_grad()
def read_each_alone(experiment: Experiment, words: list[str], trained: Mapping[str, np.ndarray] | None = None) -> Alone:
    """Read each of the first words of a sentence alone, with an empty memory; otherwise as `read_with_model`."""
    vocabulary, weights, codes = encode_for_first(experiment, model_weights(experiment, trained), words)
    T = len(codes)
    with one_thread():  # a batch of T sentences of one word
        unroll = Unroll(experiment.cell, experiment.activation, weights, 1, T, backward=False)
        unroll.start()
        chances = readout(weights, unroll.forward(embed(weights, codes.unsqueeze(0))))[0, 0].softmax(-1)  # (T, V)
    probability, likely = chances.max(-1)
    predicted = tuple(vocabulary.word(code) for code in likely.tolist())
    return Alone(words=tuple(words[:T]), predicted=predicted, probability=probability.numpy().copy())


def find_changed_guess(reading: Reading, alone: Alone) -> int | None:
    """Return the place of the word nearest the middle of a sentence after which memory changes the first guess.

    Words whose guess is a word go before those after which a sign, or an unknown word, is guessed. None where memory
    changes no guess.
    """
    words = [t for t in range(1, len(reading.words)) if any(map(str.isalnum, reading.words[t]))]
    changed = [t for t in words if reading.predicted[t] != alone.predicted[t]]
    named = [t for t in changed if reading.predicted[t].isalnum()]
    middle = len(reading.words) // 2
    return min(named or changed, key=lambda t: (abs(t - middle), -t), default=None)


def model_weights(experiment: Experiment, trained: Mapping[str, np.ndarray] | None = None) -> Weights:
    """Return the weights (S, ...) of an experiment's run as tensors; None gives the initial weights.

    Raises:
        ValueError: where the experiment's text cannot be used.
    """
    if trained is not None:
        return {name: torch.from_numpy(weight) for name, weight in trained.items()}
    task = build_task(experiment)
    return initial_weights(experiment, task.inputs, task.outputs, task.vocabulary)[0]


def encode_for_first(experiment: Experiment, weights: Weights, words: list[str]) -> tuple[Vocabulary, Weights, Tensor]:
    """Return the vocabulary, the first model's weights (1, ...) in float64, and the classes (T,) of the words it reads.

    Raises:
        ValueError: as `read_sentence`.
    """
    if not words:
        raise ValueError("words=[]: expected at least one word")
    vocabulary = encode_words(read_text(experiment.text_file)[0]).vocabulary
    return vocabulary, _first_model(weights, vocabulary), vocabulary.encode(words[:MOST_WORDS])


def _first_model(weights: Weights, vocabulary: Vocabulary) -> Weights:
    """Return the weights (1, ...) of the first model in float64; ValueError where they embed another vocabulary."""
    first = {name: weight[:1].detach().double() for name, weight in weights.items()}
    if "embedding.weight" not in first or first["embedding.weight"].shape[1] != vocabulary.size:
        raise ValueError(f"weights without an embedding of {vocabulary.size} words: expected a words task's")
    return first


def _run(experiment: Experiment, weights: Weights, codes: Tensor) -> _Passes:
    """Run one model over words (T,), and back from each of its T predictions."""
    T = len(codes)
    steps = torch.arange(T)
    # A batch of T equal sentences: sequence t goes back from prediction t, so that one backward pass is enough.
    inputs = embed(weights, codes.unsqueeze(1).expand(T, T))  # (T, 1, T, E)
    with one_thread():
        unroll = Unroll(experiment.cell, experiment.activation, weights, T, T)
        unroll.start()
        top = unroll.forward(inputs)  # (T, 1, H, T)
        logits = readout(weights, top)[0, :, 0]  # (T, V)
        likely = logits.argmax(-1)
        following = torch.cat([codes[1:], likely[-1:]])
        output_grad = torch.zeros_like(top)
        output_grad[steps, 0, :, steps] = weights["readout.weight"][0, following]
        unroll.backward(output_grad)
        gradient = norm(unroll.layers[0].dx[:, 0].numpy(), 1).T
        tape = unroll.tape(weight_grad=False)
    return _Passes(tape, inputs[:, 0, 0].numpy(), logits.softmax(-1), likely, following, gradient)


def _recorded_parts(tape: Tape) -> dict[str, np.ndarray]:
    """Return copies of the lowest layer's states and gates (T, H), and of the states before each word."""
    recorded = {"hidden": tape.hidden, "cell": tape.cell} | tape.gates
    parts = {name: values[0, 0, :, 0].copy() for name, values in recorded.items() if values is not None}
    before = {f"{name}_before": _state_before(parts[name]) for name in ("hidden", "cell") if name in parts}
    return parts | before


def _state_before(states: np.ndarray) -> np.ndarray:
    """Return the state before each word, which is zero before the first."""
    return np.concatenate([np.zeros_like(states[:1]), states[:-1]])


def _shares(
    experiment: Experiment, weights: Weights, embedded: np.ndarray, before: np.ndarray
) -> dict[str, np.ndarray]:
    """Return the terms of each gate's sum, (T, H, 4): from the word, from the hidden state before, and two biases."""
    names = LAYERS[experiment.cell].gates or ("hidden",)
    w = {name.removesuffix("_l0"): weight[0].numpy() for name, weight in weights.items()}
    by_word, by_memory = embedded @ w["weight_ih"].T, before @ w["weight_hh"].T  # (T, GH)
    sums = np.stack(np.broadcast_arrays(by_word, by_memory, w["bias_ih"], w["bias_hh"]), -1)
    return dict(zip(names, np.split(sums, len(names), axis=1), strict=True))


def _products(
    experiment: Experiment, parts: dict[str, np.ndarray], shares: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return what a cell computes on its way: an LSTM's or a GRU's products of gates and states, an RNN's sum."""
    if experiment.cell == "lstm":
        return {
            "kept": parts["forget"] * parts["cell_before"],
            "stored": parts["input"] * parts["candidate"],
            "squashed": ACTIVATION[experiment.activation](parts["cell"]),
        }
    if experiment.cell == "gru":
        return {
            "recalled": parts["reset"] * (shares["candidate"][..., 1] + shares["candidate"][..., 3]),
            "kept": parts["update"] * parts["hidden_before"],
            "stored": (1 - parts["update"]) * parts["candidate"],
        }
    by_word, by_memory, *biases = np.moveaxis(shares["hidden"], -1, 0)
    bias = biases[0] + biases[1]
    return {"from_word": by_word, "from_memory": by_memory, "bias": bias, "sum": by_word + by_memory + bias}
