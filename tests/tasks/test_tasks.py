import hashlib
import pickle
import sys
from itertools import pairwise
from math import isclose, log

import pytest
import torch

from analysis import experiment
from analysis.experiment import TASKS, Experiment
from analysis.tasks import digits, registry, symbolic
from analysis.tasks.registry import build_task
from analysis.tasks.task import EVALUATION_SEED, MEASURING_SEED, seeded
from analysis.tasks.text import encode, random_windows

PROSE = "the cat sat on the mat and the dog sat on the log. " * 20
ACCURATE = {"recall", "order", "digits"}


def task(name, **settings):
    if name == "digits":
        pytest.importorskip("sklearn")
    return build_task(Experiment(task=name, **settings))


def samples(batch):
    """Inputs and target of each sample as plain lists: one-hot steps as their code."""
    for b in range(batch.inputs.shape[1]):
        steps = batch.inputs[:, b].tolist()
        yield steps, batch.targets[..., b].tolist()


def codes(steps):
    assert all(sorted(step) == [0.0] * (len(step) - 1) + [1.0] for step in steps)
    return [step.index(1.0) for step in steps]


def test_every_task_of_the_settings_can_be_built():
    assert tuple(registry.BUILDERS) == TASKS


# What a sequence is, told again in plain Python


@pytest.mark.parametrize(("position", "places"), [("anywhere", set(range(9))), ("first", {0})])
def test_recall(position, places):
    made = task("recall", length=10, symbols=3, position=position)
    assert (made.length, made.inputs, made.outputs) == (10, 5, 3)
    seen, wanted = set(), set()
    for steps, target in samples(made.draw(400, seeded(1))):
        *before, last = codes(steps)
        assert last == 4
        place = next(t for t, code in enumerate(before) if code != 3)
        assert before == [3] * place + [target] + [3] * (8 - place)
        seen.add(place)
        wanted.add(target)
    assert seen == places
    assert wanted == {0, 1, 2}


@pytest.mark.parametrize("distance", [1, 4, 9])
def test_recall_at_a_distance(distance):
    batch = task("recall", length=10).at_distance(distance, 50, seeded(0))
    for steps, target in samples(batch):
        assert codes(steps)[9 - distance] == target


def test_recall_is_measured_with_the_symbol_first():
    for steps, target in samples(task("recall").measuring()):
        assert codes(steps)[0] == target


@pytest.mark.parametrize("length", [2, 3, 11])
def test_adding(length):
    made = task("adding", length=length)
    half, places = length // 2, set()
    for steps, target in samples(made.draw(400, seeded(1))):
        marked = [t for t, (_, marker) in enumerate(steps) if marker == 1.0]
        assert all(0 <= value < 1 and marker in (0.0, 1.0) for value, marker in steps)
        assert len(marked) == 2
        assert marked[0] < half <= marked[1]
        assert target == pytest.approx(steps[marked[0]][0] + steps[marked[1]][0])
        places.update(marked)
    assert places == set(range(length))


@pytest.mark.parametrize(
    ("length", "early", "late"),
    [(2, {0}, {1}), (50, set(range(5, 11)), set(range(25, 31))), (10, {1, 2}, {5, 6})],
)
def test_order(length, early, late):
    seen = (set(), set())
    answers = set()
    for steps, target in samples(task("order", length=length).draw(400, seeded(1))):
        (first, a), (second, b) = [(t, code) for t, code in enumerate(codes(steps)) if code >= 4]
        assert target == ["XX", "XY", "YX", "YY"].index("XY"[a - 4] + "XY"[b - 4])
        seen[0].add(first)
        seen[1].add(second)
        answers.add(target)
    assert seen == (early, late)
    assert answers == {0, 1, 2, 3}


@pytest.mark.parametrize("length", [2, 5])
def test_copy(length):
    made = task("copy", length=length, symbols=3)
    assert (made.length, made.inputs, made.outputs) == (length + 20, 5, 4)
    for steps, target in samples(made.draw(50, seeded(1))):
        word = codes(steps)[:10]
        assert set(word) <= {1, 2, 3}
        assert codes(steps) == word + [0] * (length - 1) + [4] + [0] * 10
        assert target == [0] * (length + 10) + word


def test_text_windows_shift_by_one_and_come_from_their_own_part(tmp_path):
    text = PROSE + PROSE.upper()  # the held-out tenth is in capitals
    file = tmp_path / "prose.txt"
    file.write_text(text, encoding="utf-8")
    made = task("text", length=12, text_file=str(file))
    ranked = sorted(sorted(set(text)), key=text.count, reverse=True)
    split = len(text) * 9 // 10
    assert made.inputs == made.outputs == len(ranked)
    assert made.text_sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    for batch, part in [
        (made.draw(300, seeded(0)), text[:split]),
        (made.evaluation(), text[split:]),
        (made.measuring(), text[split:]),
    ]:
        for steps, target in samples(batch):
            seen, following = codes(steps), target
            assert seen[1:] == following[:-1]
            assert "".join(ranked[code] for code in [seen[0], *following]) in part
    first, last = made.evaluation().inputs[:, 0], made.evaluation().targets[:, -1]
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
    corpus = encode(text)
    assert corpus.classes == K
    assert corpus.unigram == pytest.approx(sum(unigram) / len(unigram), rel=1e-12)
    assert corpus.bigram == pytest.approx(sum(bigram) / len(bigram), rel=1e-12)


def test_rare_characters_share_one_class():
    frequent = "".join(chr(0x100 + i) * 3 for i in range(127))
    rare = "".join(chr(0x1F600 + i) for i in range(40))
    corpus = encode(rare + frequent)
    assert corpus.classes == 128
    assert corpus.training[:40].tolist() == [127] * 40
    assert torch.cat([corpus.training, corpus.held_out])[40:].tolist() == [i // 3 for i in range(381)]


def test_built_in_text():
    made = task("text")
    assert 3.0 < made.chance < 3.5  # it differs a little between Python versions
    assert 2.1 < made.bigram < 2.6
    assert made.solved is None
    assert build_task(Experiment(task="text", length=9)).draw.keywords["codes"] is made.draw.keywords["codes"]


def test_digits_held_out_are_not_trained_on():
    made = task("digits")
    assert (made.length, made.inputs, made.outputs) == (64, 1, 10)
    trained, held_out = (set(map(tuple, f.keywords["images"].tolist())) for f in (made.draw, made.draw_evaluation))
    assert not trained & held_out
    assert len(trained | held_out) == 1797
    evaluated = made.evaluation()
    assert {tuple(image) for image in evaluated.inputs.squeeze(-1).T.tolist()} == held_out
    assert len(held_out) == 599
    assert evaluated.inputs.max() == 1.0
    assert evaluated.inputs.min() == 0.0


def test_digits_are_scikit_learns_own_row_by_row():
    datasets = pytest.importorskip("sklearn.datasets").load_digits()
    label = {tuple(image / 16): target for image, target in zip(datasets.data, datasets.target, strict=True)}
    for image, target in samples(task("digits").draw(100, seeded(3))):
        assert label[tuple(pixel for (pixel,) in image)] == target


# Chance: what who knows nothing about the sequence gets


@pytest.mark.parametrize(
    ("name", "settings", "chance"),
    [
        ("recall", {"symbols": 5}, 1 / 5),
        ("adding", {}, 1 / 6),
        ("order", {}, 1 / 4),
        ("copy", {"symbols": 8}, 10 * log(8) / 70),
        ("text", {}, None),
        ("words", {}, None),
        ("digits", {}, 0.1),
    ],
)
def test_chance_by_simulation(name, settings, chance):
    made = task(name, **settings)
    batch = made.draw(20_000, seeded(5)) if chance else made.evaluation()
    outputs = torch.zeros(*batch.targets.shape, made.outputs)
    if name == "adding":
        outputs += 1.0
    elif name == "copy":  # knows when, not what
        outputs[:-10, :, 0] = outputs[-10:, :, 1:] = 100.0
    elif chance is None:
        training = made.draw.keywords["codes"]
        outputs += (torch.bincount(training, minlength=made.outputs) + 1).log()
    score = made.score(outputs, batch.targets)
    assert chance is None or isclose(made.chance, chance)
    assert score.mean().item() == pytest.approx(
        made.chance, rel=0.1 if experiment.higher_is_better(made.metric_name) else 0.02
    )


# What every task promises


@pytest.mark.parametrize("name", TASKS)
def test_shapes_and_types(name):
    made = task(name)
    for batch, count in [
        (made.draw(3, seeded(0)), 3),
        (made.evaluation(), 599 if name == "digits" else 1024),
        (made.measuring(), 64),
    ]:
        words = made.vocabulary is not None
        assert batch.inputs.shape == (made.length, count) + (() if words else (made.inputs,))
        assert batch.targets.shape == ((made.length, count) if made.every_step else (count,))
        assert batch.inputs.dtype == (torch.int64 if words else torch.float32)
        assert batch.targets.dtype == (torch.float32 if made.squared else torch.int64)


@pytest.mark.parametrize("name", TASKS)
def test_same_seed_same_batch_and_torch_global_state_untouched(name):
    made, state = task(name), torch.get_rng_state()
    first, again, other = (made.draw(8, seeded(seed)) for seed in (0, 0, 1))
    assert torch.equal(first.inputs, again.inputs)
    assert torch.equal(first.targets, again.targets)
    assert not torch.equal(first.inputs, other.inputs)
    assert torch.equal(made.measuring().inputs, made.measuring().inputs)
    assert torch.equal(made.evaluation().inputs, made.evaluation().inputs)
    assert not torch.equal(made.measuring().inputs, made.evaluation().inputs[:, :64])
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", TASKS)
def test_task_can_be_sent_to_another_process(name):
    made = task(name)
    sent = pickle.loads(pickle.dumps(made))
    assert torch.equal(sent.measuring().inputs, made.measuring().inputs)


@pytest.mark.parametrize("name", TASKS)
def test_loss_and_score_against_torch_with_models_in_front(name):
    made = task(name)
    targets = made.draw(4, seeded(0)).targets
    outputs = torch.randn(3, *targets.shape, made.outputs, generator=seeded(1), dtype=torch.float64)
    loss, score = made.loss(outputs, targets), made.score(outputs, targets)
    assert loss.shape == score.shape == (3, 4)
    repeated = made.loss(outputs, targets.expand(3, *targets.shape))
    assert torch.equal(loss, repeated)
    for s in range(3):
        if made.squared:
            each = torch.nn.functional.mse_loss(outputs[s, ..., 0], targets.double(), reduction="none")
        else:
            flat = torch.nn.functional.cross_entropy(
                outputs[s].reshape(-1, made.outputs), targets.reshape(-1), reduction="none"
            )
            each = flat.reshape(targets.shape)
        expected = each.mean(0) if made.every_step else each
        torch.testing.assert_close(loss[s], expected, rtol=1e-12, atol=0)
        if name in ACCURATE:
            expected = (outputs[s].argmax(-1) == targets).double()
        torch.testing.assert_close(score[s], expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", TASKS)
def test_right_answers_solve_the_task(name):
    made = task(name)
    targets = made.evaluation().targets
    right = targets.unsqueeze(-1) if made.squared else 100.0 * symbolic.one_hot(targets, made.outputs)
    metric = made.score(right, targets).mean().item()
    assert metric == (1.0 if experiment.higher_is_better(made.metric_name) else pytest.approx(0.0, abs=1e-6))
    assert made.solved is None or (made.chance < made.solved) == experiment.higher_is_better(made.metric_name)


def test_seeds_of_evaluation_cannot_be_an_experiments():
    seeds = {EVALUATION_SEED, MEASURING_SEED, digits.HELD_OUT_SEED}
    assert len(seeds) == 3
    assert all(2**31 + 64 <= seed < 2**32 for seed in seeds)  # the generator reads 32 bits


# Refusals


@pytest.mark.parametrize("distance", [0, 30, -1])
def test_distance_out_of_range(distance):
    with pytest.raises(ValueError, match=f"distance={distance}: expected a whole number from 1 to 29"):
        task("recall").at_distance(distance, 4, seeded(0))


def test_distance_is_for_recall_alone():
    with pytest.raises(ValueError, match="task=adding: only recall"):
        task("adding").at_distance(3, 4, seeded(0))


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
        task("text", text_file=f"{tmp_path}/{name}")
    assert str(error.value).startswith("text_file=")


def test_shortest_text_accepted(tmp_path):
    file = tmp_path / "just.txt"
    file.write_bytes(b"ab" * 255)
    assert task("text", text_file=str(file)).evaluation().inputs.shape == (50, 1024, 2)


def test_digits_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    digits.load_digits.cache_clear()
    with pytest.raises(ModuleNotFoundError, match="task=digits needs scikit-learn: pip install scikit-learn"):
        build_task(Experiment(task="digits"))
