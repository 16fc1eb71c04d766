"""How much of a sentence's first word is left in the memory after each later one."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from analysis.engine.cells import LSTM
from analysis.engine.initialization import Weights
from analysis.engine.layer import Layer
from analysis.engine.network import embed
from analysis.engine.norms import norm
from analysis.engine.unroll import Unroll, one_thread
from analysis.experiment import KEEP_GATE, Experiment
from analysis.lesson.reading import MOST_WORDS, model_weights
from analysis.reading import Trace
from analysis.sources import read_text
from analysis.tasks.vocabulary import encode_words, split_words

EVERYDAY = {  # by built-in text, which knows all their words
    "english": (
        "The cat slept on the table near the window until the children came home.",
        "My sister read a book in the kitchen while the rain fell on the roof.",
        "The old man looked for his key and found it under a tree.",
        "We went to the market in the morning and bought bread and milk.",
        "When the teacher asked us a question, nobody in the school knew the answer.",
        "The dog waited outside the door because he was hungry and very tired.",
    ),
    "chinese": (
        "猫在桌子下面等着，狗在门口等着我们回家。",
        "爸爸喝茶，妹妹坐在桌子旁边看书写字。",
        "天黑了，妈妈坐在床边给妹妹讲故事。",
        "他早上去学校上学，到了晚上才回家吃饭。",
        "老人走到门口，看见外面的树上有一点光。",
        "我们去城里买了米和茶，又买了一件衣服。",
    ),
}
LOW, HIGH = 5, 95  # percentiles that the band lies between


@torch.inference_mode()
def trace_first_word(
    experiment: Experiment,
    words: Sequence[str],
    others: Sequence[Sequence[str]],
    trained: Mapping[str, np.ndarray] | None = None,
) -> Trace:
    """Trace what is left of the first word in sentences read by every model of an experiment.

    What is left after word t is ‖∂m_t/∂m_0‖ / √H, m_t the memory state of the first layer after word t: the cell state
    in an LSTM, else the hidden state. The derivative is total, through every state in between; ‖·‖ is the Frobenius
    norm, which is √H for m_0 itself.

    Args:
        experiment: a words task; gives the cell, the activation, and the text from which the vocabulary comes.
        words: of the reader's sentence, at least one.
        others: the words of other sentences, for the median and the range; at least one of them.
        trained: the weights (S, ...) of the experiment's run; None reads with the initial weights.

    Raises:
        ValueError: where a sentence has no word, or the experiment's text cannot be used.
    """
    sentences = [list(sentence[:MOST_WORDS]) for sentence in (words, *others)]
    if not all(sentences) or len(sentences) < 2:
        raise ValueError(f"{[len(sentence) for sentence in sentences]} words: expected at least one in each sentence")
    weights = model_weights(experiment, trained)
    vocabulary = encode_words(read_text(experiment.text_file)[0]).vocabulary
    codes = [vocabulary.encode(sentence) for sentence in sentences]
    left, mean = _run(experiment, weights, torch.nn.utils.rnn.pad_sequence(codes))
    T, reach = len(codes[0]), min(map(len, codes[1:]))
    rest = left[:, 1:, :reach].reshape(-1, reach)  # (S (N-1), K)
    low, relative, high = np.percentile(rest, (LOW, 50, HIGH), axis=0)
    return Trace(
        cell=experiment.cell,
        words=tuple(sentences[0]),
        known=(codes[0] != vocabulary.unknown).numpy(),
        seeds=experiment.seeds,
        sentences=len(others),
        own=np.median(left[:, 0, :T], axis=0),
        distance=np.arange(reach),
        relative=relative,
        low=low,
        high=high,
        mean=np.median(mean[:, 0, :T], axis=0),
    )


def everyday_sentences(text: str) -> list[list[str]]:
    """Return the words of six short sentences on everyday things, in the language of a built-in text."""
    return [split_words(sentence) for sentence in EVERYDAY[text]]


def _run(experiment: Experiment, weights: Weights, codes: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Read words (T, N) with S models; return what is left of the first, and the mean that `Trace.mean` holds.

    Both are (S, N, T). What stands after a sentence's end does not act on what stands before it.
    """
    T, N = codes.shape
    weights = {name: weight.detach().double() for name, weight in weights.items()}
    with one_thread():
        unroll = Unroll(experiment.cell, experiment.activation, weights, T, N)
        unroll.start()
        unroll.forward(embed(weights, codes))
        layer = unroll.layers[0]
        left = _left(layer)
    keeps = KEEP_GATE.get(experiment.cell)
    averaged = layer.rows(layer.gate, keeps) if keeps else layer.rows(layer.delta, "state")
    return left, averaged.mean(2).permute(1, 2, 0).numpy()


def _left(layer: Layer) -> np.ndarray:
    """Return ‖∂m_t/∂m_0‖ / √H, (S, N, T): a product of the Jacobians of all words, in the order of reading."""
    S, T, N, H = layer.S, layer.T, layer.B, layer.H
    layer.compute_local_derivatives()
    factors = {name: _columns(layer.rows(layer.delta, name)) for name in layer.blocks}  # each (T, S, N, H, 1)
    W = layer.weight[:, layer.hidden_rows, :H].unsqueeze(1)  # (S, 1, GH, H)
    dm = torch.eye(H, dtype=W.dtype).expand(S, N, H, H)  # ∂m_t/∂m_0; dh is ∂h_t/∂m_0
    exposed = _columns(layer.exposed) if isinstance(layer, LSTM) else None
    keeps = _columns(layer.rows(layer.gate, KEEP_GATE[layer.name])) if layer.name in KEEP_GATE else None
    dh = dm if exposed is None else exposed[0] * dm
    sizes = [norm(dm.flatten(2).numpy())]
    for t in range(1, T):
        sums = dict(zip(layer.blocks, (W @ dh).split(H, -2), strict=False))  # of the rows that read the hidden state
        moved = {name: factors[name][t] * change for name, change in sums.items()}
        shown = moved.pop("output", None)
        dm = sum(moved.values()) + (0 if keeps is None else keeps[t] * dm)
        dh = dm if exposed is None else shown + exposed[t] * dm
        sizes.append(norm(dm.flatten(2).numpy()))
    return np.stack(sizes, -1) / np.sqrt(H)


def _columns(buffer: Tensor) -> Tensor:
    """Return a buffer (T, S, H, N) as columns that scale rows, (T, S, N, H, 1)."""
    return buffer.mT.unsqueeze(-1)
