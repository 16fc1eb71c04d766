"""Words: how a text is split, what a vocabulary knows, and that an embedding learns as torch's does."""

import numpy as np
import pytest
import torch
from torch import nn

from analysis import Experiment, measure_untrained, train
from analysis.engine.cost import count_cost
from analysis.engine.initialization import initial_weights
from analysis.engine.network import embed, embedding_grad
from analysis.measures.meter import Meter
from analysis.reading import UNKNOWN
from analysis.sources import read_text
from analysis.tasks.registry import build_task
from analysis.tasks.task import seeded
from analysis.tasks.text import EMBEDDED
from analysis.tasks.vocabulary import CLASSES, LONGEST, Vocabulary, encode_words, split_words
from tests.helpers.modules import CELLS, MODULES

SPLIT = [
    ("", []),
    (" \n\t\u3000\u202e\u200b\x00\ud800", []),
    ("The cat sat, didn't it?", ["The", "cat", "sat", ",", "didn't", "it", "?"]),
    ("rock ’n’ roll isn’t", ["rock", "’", "n", "’", "roll", "isn’t"]),
    ("x = 3.5 % y_1", ["x", "=", "3", ".", "5", "%", "y_1"]),
    ("wait... ---- ??", ["wait", "...", "----", "?", "?"]),
    ("你好, 世界 東京タワー", ["你", "好", ",", "世", "界", "東", "京", "タ", "ワ", "ー"]),
    ("안녕 세계", ["안녕", "세계"]),
    ("שלום, עולם", ["שלום", ",", "עולם"]),
    ("مرحبا كَتَبَ می‌خواهم", ["مرحبا", "كَتَبَ", "می‌خواهم"]),
    ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
    ("e\u0301te\u0301", ["e\u0301te\u0301"]),
    ("😀😀 👍🏽 ❤️ 👨‍👩‍👧‍👦 🇩🇪🇫🇷 1️⃣", ["😀", "😀", "👍🏽", "❤️", "👨‍👩‍👧‍👦", "🇩🇪", "🇫🇷", "1️⃣"]),
    ("<b>&lt;", ["<", "b", ">", "&", "lt", ";"]),
]


@pytest.mark.parametrize(("text", "words"), SPLIT)
def test_split(text, words):
    assert split_words(text) == words


@pytest.mark.parametrize("text", ["a" * 1000, "a" + "\u0301" * 500, "-" * 200, "‍" * 50 + "😀‍" * 60, "\U000e0041" * 9])
def test_words_are_bounded_and_never_empty(text):
    words = split_words(text)
    assert all(0 < len(word) <= LONGEST for word in words)
    assert not any(word.isspace() for word in words)


def test_a_vocabulary_knows_the_most_frequent_words_and_one_for_all_others():
    vocabulary = Vocabulary.of(split_words("b b b A a c c don’t ISN'T isn't"), classes=4)
    assert vocabulary.words == ("b", "a", "c")
    assert (vocabulary.size, vocabulary.unknown) == (4, 3)
    codes = vocabulary.encode(["B", "c", "zebra", "A", ""])
    assert codes.tolist() == [0, 2, 3, 1, 3]
    assert [vocabulary.word(code) for code in codes.tolist()] == ["b", "c", UNKNOWN, "a", UNKNOWN]
    assert Vocabulary.of(["don’t", "don't"]).words == ("don't",)
    assert Vocabulary.of([]).encode(["a"]).tolist() == [0]


def test_the_corpus_holds_out_its_last_tenth():
    corpus = encode_words("a b " * 90 + "c d " * 10)
    assert (len(corpus.training), len(corpus.held_out)) == (180, 20)
    assert corpus.vocabulary.words == ("a", "b")  # held-out words shape nothing
    assert corpus.held_out.unique().tolist() == [corpus.vocabulary.unknown]
    assert corpus.unigram == pytest.approx(-np.log(1 / (180 + 3)))


def test_the_built_in_text_is_large_enough():
    made = build_task(Experiment(task="words"))
    assert made.vocabulary == made.outputs == CLASSES
    assert (made.inputs, made.metric_name, made.every_step) == (EMBEDDED, "nats per word", True)
    assert 4 < made.chance < 5.5
    batch = made.draw(5, seeded(0))
    assert torch.equal(batch.inputs[1:], batch.targets[:-1])


def test_a_text_too_short_is_refused(tmp_path):
    file = tmp_path / "short.txt"
    file.write_text("one two three " * 20)
    with pytest.raises(ValueError, match=r"60 words: expected at least 220 for length=20"):
        build_task(Experiment(task="words", text_file=str(file)))
    assert build_task(Experiment(task="words", text_file=str(file), length=3)).vocabulary == 4


def test_the_embedding_is_drawn_last_and_is_torchs():
    experiment = Experiment(task="words", cell="lstm", hidden_size=8, seeds=2, seed=5)
    without, _ = initial_weights(experiment, 6, 9)
    weights, generators = initial_weights(experiment, 6, 9, 9)
    assert list(weights) == [*without, "embedding.weight"]
    assert all(torch.equal(weights[name], weight) for name, weight in without.items())
    for s in range(2):
        with torch.random.fork_rng():
            torch.manual_seed(5 + s)
            nn.LSTM(6, 8), nn.Linear(8, 9)
            assert torch.equal(weights["embedding.weight"][s], nn.Embedding(9, 6).weight)
            assert torch.equal(generators[s].get_state(), torch.get_rng_state())


def test_embed_looks_up_each_models_own():
    weights = {"embedding.weight": torch.arange(24.0).view(2, 4, 3)}  # S, V, D
    codes = torch.tensor([[0, 3], [1, 1], [2, 0]])  # T, B
    found = embed(weights, codes)
    assert found.shape == (3, 2, 2, 3)  # T, S, B, D
    assert found[0, 1, 1].tolist() == [21, 22, 23]
    own = torch.stack([codes, 3 - codes], 1)  # T, S, B
    assert embed(weights, own)[0, 1, 1].tolist() == [12, 13, 14]
    numbers = torch.zeros(3, 2, 5)
    assert embed(weights, numbers) is numbers
    assert embedding_grad(weights, numbers, numbers) == {}


@pytest.mark.parametrize("cell", CELLS)
def test_the_embeddings_gradient_is_autograds(cell):
    """One step of plain descent moves the embedding by autograd's gradient; words of no sequence stay."""
    settings = {"hidden_size": 6, "length": 7, "batch_size": 3, "seeds": 2, "layers": 2}
    experiment = Experiment(task="words", cell=cell, optimizer="sgd", learning_rate=1, clip=0, steps=1, **settings)
    made = build_task(experiment)
    start, generators = initial_weights(experiment, made.inputs, made.outputs, made.vocabulary)
    moved = train(experiment).weights["embedding.weight"]
    for s in range(2):
        batch = made.draw(3, generators[s])
        module, head = MODULES[cell](made.inputs, 6, 2).double(), nn.Linear(6, made.outputs).double()
        own = {name: weight[s].double() for name, weight in start.items()}
        module.load_state_dict({name: weight for name, weight in own.items() if "." not in name})
        head.load_state_dict({"weight": own["readout.weight"], "bias": own["readout.bias"]})
        table = own["embedding.weight"].requires_grad_()
        answers = head(module(table[batch.inputs])[0])
        nn.functional.cross_entropy(answers.flatten(0, 1), batch.targets.flatten()).backward()
        difference = start["embedding.weight"][s].double() - torch.from_numpy(moved[s])
        seen = table.grad.abs().sum(1) > 0
        assert set(torch.nonzero(seen).flatten().tolist()) == set(batch.inputs.flatten().tolist())
        np.testing.assert_allclose(difference, table.grad, atol=3e-7)  # float32, of numbers around 1
        assert table.grad.abs().max() > 1e-4


def test_words_can_be_learned_and_measured(tmp_path):
    file = tmp_path / "rhyme.txt"
    file.write_text("one two three four five " * 100)
    settings = {"task": "words", "text_file": str(file), "hidden_size": 12, "length": 6, "seeds": 2}
    experiment = Experiment(cell="gru", steps=60, learning_rate=0.02, batch_size=8, snapshot_every=30, **settings)
    run = train(experiment)
    assert (run.metric < 0.3).all()
    assert run.chance == pytest.approx(np.log(5), rel=0.01)
    assert run == train(experiment)
    alone = train(experiment.replace(seeds=1, seed=1))
    np.testing.assert_allclose(alone.metric[0], run.metric[1], rtol=1e-3)
    assert run.weights["embedding.weight"].shape == (2, 6, EMBEDDED)
    assert measure_untrained(experiment).decay.norm.shape == (6,)
    assert run.timing["parameters"] == count_cost(experiment, build_task(experiment))["parameters"]
    recurrent, readout, embedding = 3 * 12 * (16 + 12 + 2), 6 * 13, 6 * 16
    assert run.timing["parameters"] == recurrent + readout + embedding


def test_the_meter_reads_words_in_pieces_as_at_once(monkeypatch):
    experiment = Experiment(task="words", cell="lstm", hidden_size=5, seeds=2)
    made = build_task(experiment)
    weights, _ = initial_weights(experiment, made.inputs, made.outputs, made.vocabulary)
    whole = Meter(experiment, made)
    halves = Meter(experiment, made)
    halves.pieces = [slice(0, 9), slice(9, 20)]
    a, b = whole.measure(weights), halves.measure(weights)
    np.testing.assert_allclose(a.decays["input"].norm, b.decays["input"].norm, rtol=1e-9)
    assert whole.tape(weights).input_grad.shape == (2, 20, 64, EMBEDDED)


EVERYDAY = {
    "english": [
        "The boy grew up in France, so he speaks fluent French.",
        "The dog that ran after the children was tired, so it slept under the tree.",
        "My mother made soup in the kitchen because it was cold outside.",
        "It rained all day, so we stayed at home and drank tea.",
    ],
    "chinese": ["我在法国长大，所以我会说法语。", "昨天下雨，所以我们在家里喝茶。", "老师打开书，给学生读了一个故事。"],
}


@pytest.mark.parametrize("name", EVERYDAY)
def test_the_texts_that_come_with_goldfish_know_everyday_words(name):
    training, held_out, vocabulary, _ = encode_words(read_text(name)[0])
    for sentence in EVERYDAY[name]:
        assert vocabulary.unknown not in vocabulary.encode(split_words(sentence)), sentence
    for part in (training, held_out):
        assert (part == vocabulary.unknown).double().mean() < 0.15
