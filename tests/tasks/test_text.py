"""Text: windows come from their own part, chance is counted, unusable texts are refused."""

import hashlib
from itertools import pairwise
from math import log

import pytest
import torch

from analysis.experiment import Experiment
from analysis.tasks.registry import build_task
from analysis.tasks.task import seeded
from analysis.tasks.text import encode_characters, random_windows
from tests.helpers.tasks import build, codes, samples

PROSE = "the cat sat on the mat and the dog sat on the log. " * 20


def test_text_windows_shift_by_one_and_come_from_their_own_part(tmp_path):
    text = PROSE + PROSE.upper()  # the held-out tenth is in capitals
    file = tmp_path / "prose.txt"
    file.write_text(text, encoding="utf-8")
    task = build("text", length=12, text_file=str(file))
    ranked = sorted(sorted(set(text)), key=text.count, reverse=True)
    split = len(text) * 9 // 10
    assert task.inputs == task.outputs == len(ranked)
    assert task.text_sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    for batch, part in [
        (task.draw(300, seeded(0)), text[:split]),
        (task.evaluation(), text[split:]),
        (task.measuring(), text[split:]),
    ]:
        for steps, target in samples(batch):
            seen, following = codes(steps), target
            assert seen[1:] == following[:-1]
            assert "".join(ranked[code] for code in [seen[0], *following]) in part
    first, last = task.evaluation().inputs[:, 0], task.evaluation().targets[:, -1]
    assert [ranked[code] for code in codes(first.tolist())] == list(text[split : split + 12])
    assert [ranked[code] for code in last.tolist()] == list(text[-12:])


def test_random_windows_reach_every_place():
    text = torch.arange(9)
    batch = random_windows(200, seeded(0), codes=text, length=5, classes=9)
    assert {(codes(steps)[0], target[-1]) for steps, target in samples(batch)} == {(s, s + 5) for s in range(4)}


def test_text_chance_is_counted_on_the_training_part():
    text = PROSE + "a quick brown fox. " * 10
    split = len(text) * 9 // 10
    training, held_out = text[:split], text[split:]
    K = len(set(text))
    unigram = [log((len(training) + K) / (training.count(c) + 1)) for c in held_out]
    pairs = list(pairwise(training))
    bigram = [log((training[:-1].count(a) + K) / (pairs.count((a, b)) + 1)) for a, b in pairwise(held_out)]
    corpus = encode_characters(text)
    assert corpus.classes == K
    assert corpus.unigram == pytest.approx(sum(unigram) / len(unigram), rel=1e-12)
    assert corpus.bigram == pytest.approx(sum(bigram) / len(bigram), rel=1e-12)


def test_rare_characters_share_one_class():
    frequent = "".join(chr(0x100 + i) * 3 for i in range(127))
    rare = "".join(chr(0x1F600 + i) for i in range(40))
    corpus = encode_characters(rare + frequent)
    assert corpus.classes == 128
    assert corpus.training[:40].tolist() == [127] * 40
    assert torch.cat([corpus.training, corpus.held_out])[40:].tolist() == [i // 3 for i in range(381)]


def test_built_in_text():
    task = build("text")
    assert 3.0 < task.chance < 3.5  # it differs a little between Python versions
    assert 2.1 < task.bigram < 2.6
    assert task.solved is None
    assert build_task(Experiment(task="text", length=9)).draw.keywords["codes"] is task.draw.keywords["codes"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.txt", None, "No such file"),
        ("", None, "directory|denied"),
        ("null\0.txt", None, "null"),
        (
            "latin.txt",
            "caf\xe9 ".encode("latin-1") * 200,
            "expected UTF-8: invalid continuation byte at byte 3",
        ),
        ("empty.txt", b"", "0 characters: expected at least 510 for length=50"),
        ("same.txt", b"a" * 510, "one character alone: expected at least two"),
        ("short.txt", b"ab" * 254 + b"c", "509 characters: expected at least 510 for length=50"),
    ],
)
def test_text_file_that_cannot_be_used(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        build("text", text_file=f"{tmp_path}/{name}")
    assert str(error.value).startswith("text_file=")


def test_shortest_text_accepted(tmp_path):
    file = tmp_path / "just.txt"
    file.write_bytes(b"ab" * 255)
    assert build("text", text_file=str(file)).evaluation().inputs.shape == (50, 1024, 2)
