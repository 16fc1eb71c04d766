"""Digits: scikit-learn's own, and the held-out third is not trained on."""

import sys

import pytest

from analysis.experiment import Experiment
from analysis.tasks import digits
from analysis.tasks.registry import build_task
from analysis.tasks.task import seeded
from tests.helpers.tasks import build, samples


def test_digits_held_out_are_not_trained_on():
    task = build("digits")
    assert (task.length, task.inputs, task.outputs) == (64, 1, 10)
    trained, held_out = (set(map(tuple, f.keywords["images"].tolist())) for f in (task.draw, task.draw_evaluation))
    assert not trained & held_out
    assert len(trained | held_out) == 1797
    evaluated = task.evaluation()
    assert {tuple(image) for image in evaluated.inputs.squeeze(-1).T.tolist()} == held_out
    assert len(held_out) == 599
    assert evaluated.inputs.max() == 1.0
    assert evaluated.inputs.min() == 0.0


def test_digits_are_scikit_learns_own_row_by_row():
    datasets = pytest.importorskip("sklearn.datasets").load_digits()
    label = {tuple(image / 16): target for image, target in zip(datasets.data, datasets.target, strict=True)}
    for image, target in samples(build("digits").draw(100, seeded(3))):
        assert label[tuple(pixel for (pixel,) in image)] == target


def test_digits_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    digits.load_digits.cache_clear()
    with pytest.raises(ModuleNotFoundError, match="task=digits needs scikit-learn: pip install scikit-learn"):
        build_task(Experiment(task="digits"))
