from dataclasses import fields, is_dataclass

import numpy as np
import pytest
import torch
from torch import nn

from analysis import Experiment, record, train
from analysis.history.serialization import decode, encode
from analysis.results import Run, finite_median

SMALL = Experiment(cell="gru", length=6, hidden_size=4, steps=2, seeds=2, batch_size=4)


def arrays(result, path=""):
    """Every array that is a field of a result, or of one in it, by where it is."""
    if isinstance(result, np.ndarray):
        yield path, result
    elif isinstance(result, tuple | dict):
        pairs = result.items() if isinstance(result, dict) else enumerate(result)
        for name, each in pairs:
            yield from () if isinstance(each, np.ndarray) else arrays(each, f"{path}.{name}")
    elif is_dataclass(result):
        for field in fields(result):
            yield from arrays(getattr(result, field.name), f"{path}.{field.name}")


@pytest.mark.parametrize("run", [train(SMALL), decode(Run, encode(train(SMALL)))], ids=["trained", "read"])
def test_arrays_of_results_are_read_only(run):
    found = dict(arrays(run))
    for part in (".loss", ".measured_after.decays.carry.relative", ".snapshots.1.saturation.update.counts",
                 ".memory.values", ".measured_before.bounds.hidden"):  # fmt: skip
        assert part in found
    assert [path for path, array in found.items() if array.flags.writeable] == []
    with pytest.raises(ValueError, match="read-only"):
        run.after.relative[0] = 2


def test_weights_and_tapes_are_as_torch_takes_them():
    weights = {name: torch.from_numpy(weight[0]) for name, weight in train(SMALL).weights.items()}  # warns of nothing
    gru = nn.GRU(weights["weight_ih_l0"].shape[1], 4)
    gru.load_state_dict({name: weight for name, weight in weights.items() if name.endswith("_l0")})
    torch.from_numpy(record(gru, torch.zeros(3, 2, gru.input_size)).hidden)


def test_a_median_is_of_what_is_finite():
    values = np.array([[3.0, 1, 2], [np.nan, 4, 2], [np.inf, -np.inf, 5], [np.nan, np.nan, np.inf]])
    np.testing.assert_array_equal(finite_median(values), [2, 3, 5, np.nan])
    assert finite_median(np.array([1, 2])) == 1.5


def test_fields_name_the_axes_of_their_arrays():
    run = train(SMALL)
    for result in (run, run.after, run.memory, run.measured_after.bounds, run.snapshots[0]):
        for field in fields(result):
            if "axes" in field.metadata:
                array = getattr(result, field.name)
                assert array is None or array.ndim == len(field.metadata["axes"]), field.name
                assert array is None or array.dtype.kind == ("i" if field.metadata["whole"] else "f"), field.name
    with pytest.raises(TypeError, match="unhashable"):
        hash(run)
