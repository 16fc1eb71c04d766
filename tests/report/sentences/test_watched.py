"""What is said of the gradient of a watched pass."""

from dataclasses import replace
from math import nan

import pytest
import torch
from torch import nn

from analysis import watch
from analysis.report.sentences.watched import pass_sentence

OF = "Of the gradient from the last time step that the loss reads, "


def snapshot(T=12, **changes):
    module = nn.GRU(3, 6)
    with watch(module, every=1) as watched:
        module(torch.randn(T, 5, 3))[0][-1].sum().backward()
    known = {"gradient": 0.4217, "shares": (0.9, 0.0999, 0.0001), "sequences": 5} | changes
    return replace(watched.history[0], **known)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (
            snapshot(),
            "At pass 1, the layer's gradient had a norm of 0.422 before clipping. "
            f"{OF}90 % comes from 0 to 9 time steps back and 9.99 % from 10 to 99. "
            "The curves are of 5 sequences whose loss reads that time step.",
        ),
        (
            snapshot(T=120, gradient=nan, sequences=1),
            f"{OF}90 % comes from 0 to 9 time steps back, 9.99 % from 10 to 99 and less than 0.1 % from 100 on. "
            "The curves are of 1 sequence whose loss reads that time step.",
        ),
        (
            snapshot(T=120, shares=(1.2, -0.2, 0.0), sequences=0),
            "At pass 1, the layer's gradient had a norm of 0.422 before clipping. "
            f"{OF}120 % comes from 0 to 9 time steps back, −20 % from 10 to 99 and less than 0.1 % from 100 on.",
        ),
        (
            snapshot(T=5, gradient=nan, shares=(1.0, 0.0, 0.0), sequences=0),
            f"{OF}100 % comes from 0 to 9 time steps back.",
        ),
        (snapshot(gradient=nan, shares=(), sequences=0), ""),
    ],
)  # fmt: skip
def test_a_pass_is_described(made, said):
    assert pass_sentence(made) == said
