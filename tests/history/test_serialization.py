"""Results as bytes, and back exactly."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.history.serialization import decode, encode
from analysis.history.validation import check_parts
from analysis.results import Decay, Run, Snapshot
from tests.helpers.runs import EXPERIMENTS, SMALL, trained


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_results_come_back_exactly(name):
    run = trained(name)
    back = decode(Run, encode(run))
    assert back == run
    assert back.timing == run.timing
    assert {name: weight.dtype for name, weight in back.weights.items()} == {
        name: weight.dtype for name, weight in run.weights.items()
    }
    check_parts(back, run.experiment)


def test_one_kind_of_result_is_not_taken_for_another(run):
    with pytest.raises(ValueError, match="holds no Decay"):
        decode(Decay, encode(run))


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_numbers_that_json_lacks_come_back(run, value):
    decay = replace(run.before, half_life=value, norm=np.full(6, value))
    assert decode(Decay, encode(decay)) == decay


def test_arrays_of_the_wrong_shape_are_refused(run):
    wrong = replace(run.before, relative=np.zeros(5))
    with pytest.raises(ValueError, match=r"Decay\.relative"):
        check_parts({"of": (wrong,)}, SMALL)


def test_snapshots_round_trip_by_themselves(run):
    for snapshot in run.snapshots:
        assert decode(Snapshot, encode(snapshot)) == snapshot
