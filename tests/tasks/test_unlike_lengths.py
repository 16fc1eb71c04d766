"""Sequences of unlike lengths: trained, measured and answered as each would be alone."""

import numpy as np
import pytest
import torch
from torch import nn

from analysis import gradient_decay, record, train
from analysis.engine.initialization import initial_weights
from analysis.engine.network import evaluate
from analysis.engine.recording import MODULES
from analysis.experiment import CELLS, Experiment
from analysis.history.validation import check_parts
from analysis.measures.gate_reading import read_gates
from analysis.measures.gates import gate_saturation
from analysis.measures.memory import memory_curve
from analysis.measures.meter import DECAYS, Meter
from analysis.measures.theory import predicted_decay
from analysis.sources import DataFileError
from analysis.tasks.registry import build_task
from analysis.tasks.task import Batch, seeded
from tests.helpers.data import X, Y, numbers, sequences

LENGTHS = np.random.default_rng(1).integers(1, 7, 60)
LENGTHS[7] = LENGTHS[55] = 6  # the longest, to train on and held out


@pytest.fixture
def unlike(tmp_path):
    """Write sequences of unlike lengths, NaN in their padding; return the experiment on them."""
    x = np.where((np.arange(6) < LENGTHS[:, None])[..., None], X, np.nan)

    def write(**settings):
        path = tmp_path / "x.npz"
        path.write_bytes(sequences(x=x, y=settings.pop("y", Y), lengths=LENGTHS))
        shared = {"hidden_size": 5, "seeds": 2, "batch_size": 8, "length": 6, "steps": 4} | settings
        return Experiment(task="series", data_file=str(path), **shared)

    return write


def modules_of(experiment, weights, s):
    """Model s as torch's own layer and head, in float64."""
    own = {name: weight[s].double() for name, weight in weights.items()}
    task = build_task(experiment)
    layer = MODULES[experiment.cell](task.inputs, experiment.hidden_size, experiment.layers).double()
    layer.load_state_dict({name: weight for name, weight in own.items() if not name.startswith("readout")})
    head = nn.Linear(experiment.hidden_size, task.outputs).double()
    head.load_state_dict({name: own[f"readout.{name}"] for name in ("weight", "bias")})
    return layer, head


def answered(layer, head, batch):
    """The answers to each sequence alone, without its padding."""
    lengths = [len(batch.inputs)] * batch.inputs.shape[1] if batch.lengths is None else batch.lengths
    read = batch.inputs.double()
    return torch.stack([head(layer(read[:own, b])[0][-1]) for b, own in enumerate(lengths)])


def drawn(experiment):
    task = build_task(experiment)
    return task, *initial_weights(experiment, task.inputs, task.outputs)


@pytest.mark.parametrize("cell", CELLS)
def test_training_is_that_of_torch_on_each_sequence_alone(unlike, cell):
    experiment = unlike(cell=cell, layers=2, optimizer="sgd", learning_rate=0.5, clip=0)
    run = train(experiment)
    task, weights, generators = drawn(experiment)
    for s in range(2):
        layer, head = modules_of(experiment, weights, s)
        optimizer = torch.optim.SGD([*layer.parameters(), *head.parameters()], lr=0.5)
        for _ in range(4):
            batch = task.draw(8, generators[s])
            optimizer.zero_grad()
            nn.functional.cross_entropy(answered(layer, head, batch), batch.targets).backward()
            optimizer.step()
        for name, weight in layer.state_dict().items():
            np.testing.assert_allclose(run.weights[name][s], weight, atol=2e-6, err_msg=name)
    check_parts(run, experiment)
    assert {snapshot.decay.distance.size for snapshot in run.snapshots} == {run.after.distance.size} == {6}


@pytest.mark.parametrize("cell", CELLS)
def test_decay_and_gates_are_those_of_a_recording_with_lengths(unlike, cell):
    experiment = unlike(cell=cell, seeds=1)
    task, weights, _ = drawn(experiment)
    batch = task.measuring()
    measured = Meter(experiment, task).measure(weights)
    layer, head = modules_of(experiment, weights, 0)
    last = batch.lengths - 1

    def loss(output):
        own = output[last, torch.arange(len(last))]
        return nn.functional.cross_entropy(head(own), batch.targets, reduction="none")

    tape = record(layer, batch.inputs, loss, lengths=batch.lengths)
    for of in DECAYS[:4]:
        found, wanted = measured.decays[of], gradient_decay(tape, of=of)
        reached = wanted.distance.size  # one less of the weights, to which the first step adds nothing
        np.testing.assert_allclose(found.relative[:reached], wanted.relative, rtol=1e-9, err_msg=of)
        np.testing.assert_array_equal(found.samples[:reached], wanted.samples)
        assert reached == 6 - (of == "weights")
        assert found.horizon == wanted.horizon
    for name, gate in gate_saturation(tape).items():
        np.testing.assert_array_equal(measured.saturation[name].counts, gate.counts)
    np.testing.assert_allclose(measured.bounds.hidden[3], np.nanmax(abs(tape.hidden), axis=(0, 1, 3, 4)), rtol=1e-9)
    assert measured.decays["memory"].samples[0] == 12 > measured.decays["memory"].samples[-1] >= 1
    assert Meter(experiment, task).decays(weights)["memory"] == measured.decays["memory"]


def test_long_sequences_are_answered_at_their_own_last_step(unlike):
    """Longer ones are read in pieces."""
    task, weights, _ = drawn(unlike())
    lengths = torch.tensor([1, 99, 100, 101, 250, 200, 201])
    batch = Batch(torch.randn(250, 7, 2, generator=seeded(0)), torch.tensor([0, 1, 1, 0, 1, 0, 0]), lengths)
    loss, metric = evaluate(unlike(), task, weights, batch)
    for s in range(2):
        answers = answered(*modules_of(unlike(), weights, s), batch)
        assert loss[s].item() == pytest.approx(nn.functional.cross_entropy(answers, batch.targets).item(), rel=1e-5)
        assert metric[s].item() == pytest.approx((answers.argmax(-1) == batch.targets).double().mean().item())


def test_memory_reads_the_last_steps_of_each_sequence(unlike):
    experiment = unlike(y=numbers(60))
    task, weights, _ = drawn(experiment)
    batch, memory = task.evaluation(), memory_curve(experiment, task, weights)
    for k, values in zip(memory.distance, memory.values.T, strict=True):
        windows = [batch.inputs[max(own - k - 1, 0) : own, b] for b, own in enumerate(batch.lengths.tolist())]
        for s in range(2):
            layer, head = modules_of(experiment, weights, s)
            answers = torch.stack([head(layer(window.double())[0][-1]) for window in windows]).squeeze(-1)
            assert values[s] == pytest.approx((answers - batch.targets).square().mean().item(), rel=1e-5)


def test_a_shorter_length_keeps_shorter_sequences_whole(unlike):
    whole, short = (build_task(unlike(length=length)).measuring() for length in (6, 3))
    assert short.lengths.tolist() == whole.lengths.clamp(max=3).tolist()
    for b, (own, kept) in enumerate(zip(whole.lengths.tolist(), short.lengths.tolist(), strict=True)):
        assert torch.equal(short.inputs[:kept, b], whole.inputs[own - kept : own, b])
    assert len(whole.lengths.unique()) > 1 and whole.lengths[0] == 6


def test_gates_and_theory_leave_padding_out(unlike):
    experiment = unlike(cell="gru")
    sample, _ = read_gates(experiment, 3)
    own = build_task(experiment).draw_measuring(16, seeded(3_000_000_001)).lengths[2]
    assert sample.gates["update"].shape == (own, 5)
    assert np.isfinite(predicted_decay(experiment).rate)


REFUSED = {
    "too long": (np.where(np.arange(60) == 4, 7, LENGTHS), "lengths[4] is 7: expected a whole number from 1 to 6"),
    "none": (LENGTHS * 0, "lengths[0] is 0: expected a whole number from 1 to 6"),
    "broken": (LENGTHS + 0.5, "expected a whole number from 1 to 6, as x has steps"),
    "NaN": (LENGTHS + np.nan, "lengths[0] is nan: expected finite numbers"),
    "all shorter": (np.minimum(LENGTHS, 5), "lengths: the longest is 5: expected 6, as x has steps; cut x"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_lengths_that_can_not_be_are_refused(tmp_path, case):
    lengths, reason = REFUSED[case]
    (tmp_path / "x.npz").write_bytes(sequences(lengths=lengths))
    with pytest.raises(DataFileError) as refused:
        build_task(Experiment(task="series", data_file=str(tmp_path / "x.npz"), length=6))
    assert reason in refused.value.reason


def test_truncation_and_very_long_sequences_of_unlike_lengths_are_refused(unlike, tmp_path):
    with pytest.raises(DataFileError, match="truncate=3: expected None for sequences of unlike lengths"):
        build_task(unlike(truncate=3))
    long = sequences(x=np.zeros((60, 501, 1)), lengths=np.where(np.arange(60) == 3, 501, 400))
    (tmp_path / "x.npz").write_bytes(long)
    with pytest.raises(DataFileError, match="unlike ones of up to 501 time steps: expected at most 500"):
        build_task(Experiment(task="series", data_file=str(tmp_path / "x.npz"), length=501))
