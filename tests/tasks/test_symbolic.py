"""Recall, adding, order and copy: each sequence and target as plain Python has them."""

import pytest

from analysis.tasks.task import seeded
from tests.helpers.tasks import build, codes, samples


@pytest.mark.parametrize(("position", "places"), [("anywhere", set(range(9))), ("first", {0})])
def test_recall(position, places):
    task = build("recall", length=10, symbols=3, position=position)
    assert (task.length, task.inputs, task.outputs) == (10, 5, 3)
    seen, wanted = set(), set()
    for steps, target in samples(task.draw(400, seeded(1))):
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
    batch = build("recall", length=10).at_distance(distance, 50, seeded(0))
    for steps, target in samples(batch):
        assert codes(steps)[9 - distance] == target


def test_recall_is_measured_with_the_symbol_first():
    for steps, target in samples(build("recall").measuring()):
        assert codes(steps)[0] == target


@pytest.mark.parametrize("length", [2, 3, 11])
def test_adding(length):
    task = build("adding", length=length)
    half, places = length // 2, set()
    for steps, target in samples(task.draw(400, seeded(1))):
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
    for steps, target in samples(build("order", length=length).draw(400, seeded(1))):
        (first, a), (second, b) = [(t, code) for t, code in enumerate(codes(steps)) if code >= 4]
        assert target == ["XX", "XY", "YX", "YY"].index("XY"[a - 4] + "XY"[b - 4])
        seen[0].add(first)
        seen[1].add(second)
        answers.add(target)
    assert seen == (early, late)
    assert answers == {0, 1, 2, 3}


@pytest.mark.parametrize("length", [2, 5])
def test_copy(length):
    task = build("copy", length=length, symbols=3)
    assert (task.length, task.inputs, task.outputs) == (length + 20, 5, 4)
    for steps, target in samples(task.draw(50, seeded(1))):
        word = codes(steps)[:10]
        assert set(word) <= {1, 2, 3}
        assert codes(steps) == word + [0] * (length - 1) + [4] + [0] * 10
        assert target == [0] * (length + 10) + word


@pytest.mark.parametrize("distance", [0, 30, -1])
def test_distance_out_of_range(distance):
    with pytest.raises(ValueError, match=f"distance={distance}: expected a whole number from 1 to 29"):
        build("recall").at_distance(distance, 4, seeded(0))


def test_distance_is_for_recall_alone():
    with pytest.raises(ValueError, match="task=adding: only recall"):
        build("adding").at_distance(3, 4, seeded(0))
