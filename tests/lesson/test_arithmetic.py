"""The written calculation of a unit adds up to the digits shown."""

import re
from itertools import pairwise
from math import tanh

import pytest

from analysis.lesson.arithmetic import format_rounded, lines_of_unit, rounded
from tests.helpers.modules import CELLS
from tests.helpers.readings import reading_of, words_experiment

SAFE = {"×": "*", "−": "-", "σ": "sigmoid"}


def value_of(written):
    """The value of a written calculation."""
    for sign, plain in SAFE.items():
        written = written.replace(sign, plain)
    return eval(written, {"sigmoid": lambda x: (1 + tanh(x / 2)) / 2, "tanh": tanh, "relu": lambda x: max(x, 0)})


@pytest.mark.parametrize("activation", ["tanh", "relu", "identity"])
@pytest.mark.parametrize("cell", CELLS)
def test_the_arithmetic_adds_up_to_the_digits_shown(cell, activation):
    reading = reading_of(words_experiment(cell, activation=activation))
    for word in (0, 3, len(reading.words) - 1):
        for unit in range(7):
            lines = lines_of_unit(reading, word, unit)
            assert [line.part for line in lines][-1] == "hidden"
            for line in lines:
                symbol, *steps, result = str(line).split(" = ")
                assert symbol == line.symbol
                assert value_of(result) == line.value
                # What the sum is rounded to stands inside: tanh(0.421 − 0.220) = tanh(0.201) = 0.198
                assert rounded(value_of(steps[-1])) == line.value, line
                for before, after in pairwise(steps):
                    assert value_of(before) == pytest.approx(value_of(after), abs=1.1e-3)
                assert line.value == pytest.approx(reading.parts[line.part][word, unit], abs=6e-3)
                assert not re.search(r"[−+] −\d+\.\d+(?! ×)", line.written.replace("× −", "× "))


def test_a_sum_is_never_minus_zero_and_huge_numbers_stay_short():
    reading = reading_of(words_experiment("rnn", activation="identity", gain=3.0, init="identity"), "a " * 40)
    assert max(len(str(line)) for line in lines_of_unit(reading, 39, 0)) < 80
    assert rounded(-0.0001) == 0 and format_rounded(rounded(-0.0001)) == "0.000"
