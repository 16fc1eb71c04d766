import numpy as np
import pytest

from analysis.report.sentences.gates import describe_notable_gates, name_ends, saturation_sentence
from analysis.results import Saturation


def gate(left=0.0, right=0.0):
    """Saturation of a gate of 3 models with 2 layers of 4 units; `left` and `right` broadcast to (S, L, H)."""
    left, right = (np.broadcast_to(np.asarray(share, float), (3, 2, 4)) for share in (left, right))
    return Saturation(left=left, right=right, counts=np.array([1, 1]), edges=np.array([0, 0.5, 1]), low=0.1, high=0.9)


CANDIDATE = Saturation(left=None, right=None, counts=np.array([1]), edges=np.array([-4, 4]), low=-0.9, high=0.9)


def lstm(**gates):
    half = gate()
    return {"input": half, "forget": half, "candidate": CANDIDATE, "output": half} | gates


def gru(**gates):
    half = gate()
    return {"reset": half, "update": half, "candidate": CANDIDATE} | gates


def test_a_gate_that_carries_memory_keeps_and_loses_in_words_of_its_own():
    assert (name_ends("forget"), name_ends("update")) == (("erases", "keeps"), ("replaces", "keeps"))
    assert name_ends("output") == name_ends("reset") == ("shut", "open")


@pytest.mark.parametrize(
    ("now", "before", "said"),
    [
        (
            lstm(),
            None,
            "X: all gates are half open: they neither keep nor erase.",
        ),
        (
            gru(),
            gru(),
            "X: all gates are half open: they neither keep nor replace.",
        ),
        (
            lstm(output=gate(right=0.5)),
            lstm(),
            "X: the forget gate stays between its ends: it neither keeps nor erases.",
        ),
        (gru(update=gate(right=0.27)), None, "X: of the update gate's values 27 % keep."),
        (
            gru(update=gate(left=0.18, right=0.27), reset=gate(left=0.9)),
            gru(),
            "X: of the update gate's values 27 % keep and 18 % replace (untrained 0 % and 0 %).",
        ),
        (
            lstm(forget=gate(left=0.02, right=0.314), output=gate(right=0.6)),
            lstm(),
            "X: of the forget gate's values 31 % keep (untrained 0 %).",
        ),
        (lstm(), lstm(forget=gate(right=0.7)), "X: of the forget gate's values 0 % keep (untrained 70 %)."),
        (lstm(forget=gate(right=1)), None, "X: the forget gate always keeps everything."),
        (
            gru(update=gate(left=1)),
            gru(update=gate(left=0.4, right=0.3)),
            "X: the update gate always replaces everything (untrained 40 % of it).",
        ),
    ],
)
def test_the_headline_is_of_the_gate_that_carries_memory(now, before, said):
    assert saturation_sentence("X", now, before) == said


def test_nothing_is_said_of_gates_in_between():
    mean = "lets through 50 % on average"
    assert describe_notable_gates("X", lstm(), lstm(output=gate(right=0.9))) == f"X: forget gate {mean}."
    assert describe_notable_gates("X", gru(update=gate(left=0.5, right=0.4))) == f"X: update gate {mean}."


def test_units_are_those_of_one_network():
    always = describe_notable_gates("X", lstm(forget=gate(right=1)))
    assert always == "X: forget gate lets through 50 % on average and always keeps in 8 of 8 units."
    right = np.zeros((3, 2, 4))
    right[0, :, 0], right[1, 0, :3], right[2] = 1, 0.995, 1
    differing = gru(update=gate(left=np.eye(4)[3] * (right[..., 3:] < 1), right=right))
    assert describe_notable_gates("X", differing) == (
        "X: update gate lets through 50 % on average, always keeps in 3 (2–8) of 8 units "
        "and always replaces in 2 (0–2) of 8 units."
    )


def test_other_gates_are_named_where_they_are_notable():
    now = lstm(output=gate(left=0.06, right=0.32), input=gate(left=[1, 0, 0, 0]), forget=gate(left=0.5, right=0.4))
    assert describe_notable_gates("X", now, lstm(output=gate(right=0.05))) == (
        "X: input gate 25 % shut (untrained 0 %), always in 2 of 8 units; forget gate lets through 50 % on average; "
        "output gate 32 % open (untrained 5 %) and 6 % shut (untrained 0 %)."
    )
