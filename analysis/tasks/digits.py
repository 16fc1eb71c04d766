"""The task digits: name a handwritten digit, read pixel by pixel. The images are scikit-learn's."""

from functools import lru_cache, partial

import torch
from torch import Generator, Tensor

from analysis.experiment import Experiment
from analysis.tasks.task import HELD_OUT_SEED, Batch, Task, choose, seeded


def digits(count: int, generator: Generator, *, images: Tensor, labels: Tensor, again: bool) -> Batch:
    """Draw images (N, T) as sequences of single pixels, row by row; the target is the digit's label.

    With `again`, an image may be drawn several times. Without it, an image is drawn at most once, so at most N are.
    Image 0 0 .5 1 … -> label 0 to 9
    """
    chosen = choose(count, len(images), generator, again=again)
    return Batch(images[chosen].T.unsqueeze(-1), labels[chosen])


@lru_cache(maxsize=1)
def load_digits() -> tuple[Tensor, Tensor]:
    """Return scikit-learn's images (1797, 64), 0 to 1, and labels (1797,), in one fixed random order."""
    try:
        from sklearn import datasets
    except ImportError:
        raise ModuleNotFoundError("task=digits needs scikit-learn: pip install scikit-learn") from None
    images, labels = map(torch.from_numpy, datasets.load_digits(return_X_y=True))
    shuffled = torch.randperm(len(images), generator=seeded(HELD_OUT_SEED))
    return images[shuffled].float() / 16, labels[shuffled].long()


def build_digits(experiment: Experiment) -> Task:
    """Build the task digits. Its metric is the accuracy on the held-out third, 1/10 by chance.

    Raises:
        ModuleNotFoundError: without scikit-learn.
    """
    images, labels = load_digits()
    third = len(images) // 3
    draw = partial(digits, images=images[third:], labels=labels[third:], again=True)
    held_out = partial(digits, images=images[:third], labels=labels[:third], again=False)
    return Task("digits", experiment.task_length, 1, 10, 1 / 10, draw, held_out, held_out, solved=0.9)
