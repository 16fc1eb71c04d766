"""Memory of networks built by hand: one that answers perfectly, one that guesses, one that sees just so far."""

from itertools import product

import numpy as np
import pytest
import torch

import analysis.measures.memory
from analysis import Experiment, memory_curve
from analysis.engine.initialization import initial_weights
from analysis.experiment import higher_is_better
from analysis.measures.memory import _distances
from analysis.results import Memory
from analysis.span import memory_spans, trained_distances
from analysis.tasks.registry import build_task
from analysis.tasks.task import seeded

K = 4
SPANS = [  # task, value by distance, trained distances (None = as the task trains), wanted span
    ("recall", [1, 1, 1, 1], None, 4),
    ("recall", [1, 1, 0.3, 0.3], None, 2),
    ("recall", [1, 0.3, 1, 1], None, 4),
    ("recall", [0.3, 1, 1, 0.3], None, 3),
    ("recall", [0.1, 0.1, 0.1, 1], [4], 4),
    ("recall", [1, 1, 1, 0.6], [4], 4),
    ("recall", [1, 1, 1, 0.125], [4], np.nan),
    ("recall", [0.4, 0.16, 0.16, 0.16], None, np.nan),  # better than chance, yet mostly wrong
    ("recall", [0.6, 0.16, 0.5, 0.16], None, 1),
    ("order", [0.25, 0.25, 1, 1], None, 3),
    ("order", [0.25, 1, 0.25, 1], None, 4),
    ("order", [1, 1, 1, 1], None, 1),
    ("order", [0.3, 1, 0.6, 0.6], None, 2),
    ("adding", [1 / 6, 1 / 6, 0.01, 0.01], None, 3),
    ("adding", [1 / 6, 0.01, 0.01, 0.01], None, 2),
]


def recall(length=12, **settings):
    experiment = Experiment(cell="rnn", activation="identity", symbols=K, length=length, hidden_size=K, **settings)
    return experiment, build_task(experiment)


def remembering(keep, S=1):
    """A linear RNN of K units that adds up the symbols it sees, and keeps the share `keep` a step."""
    identity = torch.eye(K)
    return {
        "weight_ih_l0": torch.cat([identity, torch.zeros(K, 2)], 1).expand(S, -1, -1).clone(),
        "weight_hh_l0": (keep * identity).expand(S, -1, -1).clone(),
        "bias_ih_l0": torch.zeros(S, K),
        "bias_hh_l0": torch.zeros(S, K),
        "readout.weight": identity.expand(S, -1, -1).clone(),
        "readout.bias": torch.zeros(S, K),
    }


def test_a_perfect_network_remembers_everything():
    experiment, task = recall()
    found = memory_curve(experiment, task, remembering(0.9, S=2))
    assert (found.kind, found.metric_name, found.chance) == ("symbol", "accuracy", 1 / K)
    np.testing.assert_array_equal(found.distance, range(1, 12))
    np.testing.assert_array_equal(found.values, np.ones((2, 11)))
    for curve in (found.value, found.low, found.high):
        np.testing.assert_array_equal(curve, 1)
    assert found.span == 11
    np.testing.assert_array_equal(found.spans, [11, 11])


def test_a_network_that_sees_nothing_guesses():
    experiment, task = recall()
    weights = remembering(1.0)
    weights["weight_ih_l0"] *= 0
    found = memory_curve(experiment, task, weights)
    assert np.isnan(found.span)
    assert np.isnan(found.spans).all()
    assert abs(found.value - 1 / K).max() < 0.2  # five standard errors of 128 guesses


def test_a_network_that_forgets_at_once_answers_distance_zero_only():
    """With keep = 0 the state at the cue is 0 whatever was shown."""
    experiment, task = recall()
    assert np.isnan(memory_curve(experiment, task, remembering(0.0)).span)


def test_low_and_high_are_the_range_over_models():
    experiment, task = recall()
    weights = remembering(1.0, S=3)
    weights["weight_ih_l0"][2] = 0
    found = memory_curve(experiment, task, weights)
    np.testing.assert_array_equal(found.high, 1)
    np.testing.assert_array_equal(found.low, found.values[2])
    np.testing.assert_array_equal(found.value, 1)
    np.testing.assert_array_equal(found.spans, [11, 11, np.nan])


def test_a_symbol_is_forgotten_where_its_trace_falls_below_the_readouts_bias():
    """keep = ½ leaves 2^-k; the bias of .03 for symbol 0 wins from 2^-6 on: span 5."""
    experiment, task = recall(length=20)
    weights = remembering(0.5)
    weights["readout.bias"][:, 0] = 0.03
    found = memory_curve(experiment, task, weights)
    np.testing.assert_array_equal(found.value[:5], 1)
    assert (found.value[5:] < 0.5).all()
    assert found.span == 5


def test_adding_by_hand_needs_the_whole_sequence():
    """Two marked values are added by a linear unit each: value + marker - 1 through relu is value · marker."""
    experiment = Experiment(cell="rnn", task="adding", activation="relu", length=10, hidden_size=2, layers=2)
    task = build_task(experiment)
    zero = torch.zeros(1, 2, 2)
    weights = {
        "weight_ih_l0": torch.tensor([[[1.0, 1.0], [0.0, 0.0]]]), "weight_hh_l0": zero,
        "bias_ih_l0": torch.tensor([[-1.0, 0.0]]), "bias_hh_l0": torch.zeros(1, 2),
        "weight_ih_l1": torch.tensor([[[1.0, 0.0], [0.0, 0.0]]]), "weight_hh_l1": torch.eye(2)[None],
        "bias_ih_l1": torch.zeros(1, 2), "bias_hh_l1": torch.zeros(1, 2),
        "readout.weight": torch.tensor([[[1.0, 0.0]]]), "readout.bias": torch.zeros(1, 1),
    }  # fmt: skip
    found = memory_curve(experiment, task, weights)
    assert (found.kind, found.metric_name) == ("window", "mse")
    np.testing.assert_array_equal(found.distance, range(10))
    assert found.value[-1] < 1e-10
    assert found.value[0] > 0.5  # hardly any marked value is the last
    assert (np.diff(found.value) <= 1e-6).all()
    assert 4 <= found.span <= 9
    half = found.chance / 2
    assert found.value[int(found.span)] < half <= found.value[int(found.span) - 1]


def spans(task, value, distance=None, error=0.01, trained=None):
    """Return the span of one curve, by the rule that `memory_curve` uses."""
    experiment = Experiment(task=task)
    value, distance = np.array(value, float), np.arange(1, len(value) + 1) if distance is None else distance
    built = build_task(experiment)
    memory = Memory(
        kind="window" if built.draw_at is None else "symbol", metric_name=built.metric_name, distance=distance,
        value=value, low=value, high=value, values=value[None], chance=built.last_step_chance, span=np.nan,
        spans=np.full(1, np.nan),
        trained=trained_distances(experiment, distance) if trained is None else np.isin(distance, trained),
    )  # fmt: skip
    span, (own,) = memory_spans(memory, np.full((1, len(value)), error))
    np.testing.assert_array_equal(span, own)
    return span


@pytest.mark.parametrize(("task", "value", "trained", "span"), SPANS)
def test_span(task, value, trained, span):
    np.testing.assert_array_equal(spans(task, value, trained=trained), span)


def seen_in_training(experiment):
    """Return the distances at which the training's own sequences show the symbol."""
    batch = build_task(experiment).draw(2000, seeded(0))
    steps = batch.inputs[..., : experiment.symbols].sum(-1).argmax(0)  # where a symbol's channel is on
    return {int(experiment.task_length - 1 - step) for step in steps}


@pytest.mark.parametrize("position", ["anywhere", "first"])
def test_distances_of_the_training_are_marked(position):
    experiment, task = recall(position=position)
    found = memory_curve(experiment, task, remembering(0.9))
    assert set(found.distance[found.trained]) == seen_in_training(experiment)


@pytest.mark.parametrize("task", ["adding", "order", "copy", "digits"])
def test_a_sequence_that_starts_in_the_middle_was_never_trained(task):
    assert trained_distances(Experiment(task=task), np.arange(5)).tolist() == [False] * 4 + [True]


@pytest.mark.parametrize("task", ["text", "words"])
def test_text_is_trained_from_any_start(task):
    assert trained_distances(Experiment(task=task), np.arange(5)).all()


def reading_the_first_step_alone():
    """A relu RNN: a clock that is 1 from the first step on hides every later symbol, and 2 h - 1 keeps an h of 1."""
    hh = 2 * torch.eye(K + 1)
    hh[:, K], hh[K, K] = -1, 0
    clock = torch.zeros(1, K + 1)
    clock[:, K] = 1
    return {
        "weight_ih_l0": torch.eye(K + 1, K + 2)[None] * (1 - clock[..., None]), "weight_hh_l0": hh[None],
        "bias_ih_l0": clock, "bias_hh_l0": torch.zeros(1, K + 1),
        "readout.weight": torch.eye(K, K + 1)[None], "readout.bias": torch.zeros(1, K),
    }  # fmt: skip


def test_the_span_is_of_the_distance_that_was_trained():
    """At every nearer distance, none of which the training had, it answers the first symbol always."""
    experiment, task = recall(position="first")
    experiment = experiment.replace(activation="relu", hidden_size=K + 1)
    found = memory_curve(experiment, task, reading_the_first_step_alone())
    assert found.value[-1] == 1
    assert (found.value[:-1] < 0.5).all()
    assert found.span == 11
    np.testing.assert_array_equal(found.spans, [11])


@pytest.mark.parametrize("task", ["recall", "order", "adding"])
@pytest.mark.parametrize("gap", [0.0, -0.1, 0.02])
def test_no_better_than_chance_has_no_span(task, gap):
    built = build_task(Experiment(task=task))
    sign = 1 if higher_is_better(built.metric_name) else -1
    value = np.full(5, built.last_step_chance + sign * gap)
    for error in (0.01, 0.0) if gap <= 0 else (0.01,):
        assert np.isnan(spans(task, value, np.arange(5), error))


def test_a_window_that_only_harms_has_no_span():
    """The last step alone answers and the whole sequence doesn't: from no distance on is it better than midway."""
    assert np.isnan(spans("order", [1, 1, 0.25, 0.25]))


def test_one_broken_model_doesnt_hide_that_the_others_guess():
    experiment = Experiment(task="adding", length=6, hidden_size=4, seeds=2)
    task = build_task(experiment)
    weights = {name: torch.zeros(2, *shape) for name, shape in (
        ("weight_ih_l0", (16, 2)), ("weight_hh_l0", (16, 4)), ("bias_ih_l0", (16,)), ("bias_hh_l0", (16,)),
        ("readout.weight", (1, 4)), ("readout.bias", (1,)),
    )}  # fmt: skip
    weights["readout.bias"][0], weights["readout.bias"][1] = 0.999, torch.nan
    assert np.isnan(memory_curve(experiment, task, weights).spans).all()


@pytest.mark.parametrize(("task", "length"), list(product(["recall", "copy", "order", "text", "adding"], [10, 90])))
def test_distances_reach_from_the_nearest_to_the_farthest(task, length):
    experiment = Experiment(task=task, length=length, hidden_size=2, seeds=1)
    built = build_task(experiment)
    weights, _ = initial_weights(experiment, built.inputs, built.outputs)
    found = memory_curve(experiment, built, weights)
    assert found.kind == ("symbol" if task == "recall" else "window")
    assert found.distance[0] == (1 if task == "recall" else 0)
    assert found.distance[-1] == built.length - 1
    assert (np.diff(found.distance) > 0).all()
    assert len(found.distance) <= 61
    assert np.isfinite(found.values).all()
    assert found.metric_name == built.metric_name


@pytest.mark.parametrize("furthest", [1, 2, 59, 60, 61, 999])
def test_few_distances_are_all_measured_and_many_thinned(furthest):
    distances = _distances(furthest)
    assert (distances[0], distances[-1]) == (1, furthest)
    assert (np.diff(distances) > 0).all()
    assert len(distances) == furthest if furthest <= 60 else len(distances) < 60


@pytest.mark.parametrize("task", ["recall", "order"])
def test_sequences_are_drawn_one_distance_at_a_time(task, monkeypatch):
    """Sixty batches of long sequences at once would not fit in memory."""
    experiment = Experiment(task=task, length=10, hidden_size=4)
    alive, most = [0], [0]

    class Counted(analysis.measures.memory.Batch):
        def __init__(self, *parts):
            super().__init__(*parts)
            alive[0] += 1
            most[0] = max(most[0], alive[0])

        def __del__(self):
            alive[0] -= 1

    built = build_task(experiment)
    monkeypatch.setattr(analysis.measures.memory, "Batch", Counted)
    monkeypatch.setattr(analysis.tasks.symbolic, "Batch", Counted)
    weights, _ = initial_weights(experiment, built.inputs, built.outputs)
    memory_curve(experiment, built, weights)
    assert most[0] <= 3
