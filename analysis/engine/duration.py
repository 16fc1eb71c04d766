"""How long work on an experiment takes on one core of this machine, computed from its sizes: nothing is tried.

Time goes into operators (each has a fixed cost), into products with weights, and into elementwise work by entry. The
numbers below say how many operators on a few numbers, or entries of an elementwise operator, a piece of work is worth.
They were fitted to timings of all cells and tasks (`python -m tests.benchmarks.estimates`); `Speed` holds what an
operator, an entry and a product cost on this machine. No duration falls when a setting is raised.
"""

from analysis.engine.cells import LAYERS
from analysis.engine.cost import count_cost, packed_weights
from analysis.engine.network import ANSWERED, SLICE
from analysis.engine.speed import Speed
from analysis.experiment import Experiment
from analysis.tasks.task import Task

FORWARD = {"rnn": 2, "lstm": 7, "gru": 5}  # operators of a layer in one time step
BACK = {"rnn": 3, "lstm": 6, "gru": 4}
OPTIMIZER = {"adam": 51, "rmsprop": 43, "sgd": 32}  # entries of one parameter
RECORDED = {"rnn": 1, "lstm": 6, "gru": 4}  # arrays of a state's size that are measured
SMALL = 8  # rows up to which a product costs by the row
LARGE = 8e6  # entries from which the system gives an array new memory each time


def update_seconds(experiment: Experiment, task: Task, speed: Speed) -> float:
    """Return the seconds of one update: drawing sequences, forward, back, and the optimizer."""
    T, S, B, L, H = task.length, experiment.seeds, experiment.batch_size, experiment.layers, experiment.hidden_size
    parameters = S * count_cost(experiment, task)["parameters"]
    answers = S * task.outputs * (T if task.every_step else 1)
    states, inputs = T * S * B * L * H, T * S * B * task.inputs
    operators = 1.6 * (FORWARD[experiment.cell] + BACK[experiment.cell])
    calls = 340 + 234 * L + 53 * S + T * L * (operators + 0.33 * S * min(_rows(experiment), SMALL) * (B > 1))
    entries = (
        (13 if experiment.cell == "rnn" else 48) * states
        + 19 * inputs
        + 70 * _anew(inputs)
        + OPTIMIZER[experiment.optimizer] * parameters
        + 111 * _anew(parameters)
        + answers * (18 * H + 37 * B)
        + 25 * _anew(answers * H)
        + 94 * _anew(answers * B)
    )
    products = 0.99 * T * S * packed_weights(experiment, task)
    return _seconds(speed, calls, entries, products * speed.product(S, B, training=True))


def measuring_seconds(
    experiment: Experiment, task: Task, models: int, sequences: int, speed: Speed, *, whole: bool
) -> float:
    """Return the seconds of measuring models on sequences: everything, or without `whole` what a snapshot holds."""
    T, L, H = task.length, experiment.layers, experiment.hidden_size
    read = T * models * sequences
    recorded = RECORDED[experiment.cell] * read * L * H
    operators = 1.5 * (FORWARD[experiment.cell] + BACK[experiment.cell])
    calls = 1800 + 62 * models + T * L * (operators + models * (1.3 + 0.06 * _rows(experiment)))
    entries = 50 * recorded + 80 * _anew(recorded) + 33 * read * task.inputs
    entries += 45 * models * count_cost(experiment, task)["parameters"]
    if whole:
        calls += 350 + 280 * models + 18 * T
        entries += read * L * (46 * H + 630)
    weights = packed_weights(experiment, task)
    beyond_cache = 1 + 0.5 * weights / (weights + 5e5 * L)  # a layer of so many weights in float64 leaves the cache
    products = 0.87 * T * models * weights * beyond_cache
    return _seconds(speed, calls, entries, products * speed.product(models, sequences, training=False))


def answering_seconds(
    experiment: Experiment, task: Task, sequences: int, steps: float, speed: Speed, *, every_step: bool
) -> float:
    """Return the seconds in which all models answer sequences of so many time steps, forward alone."""
    S, L, H, T = experiment.seeds, experiment.layers, experiment.hidden_size, steps
    slices = sequences / SLICE
    answers = S * task.outputs * (T if every_step else 1)
    calls = 100 + 130 * L + T * L * (3 * FORWARD[experiment.cell] + S * (0.8 + 0.09 * _rows(experiment)))
    arrays = min(T, ANSWERED) * S * SLICE * L * (_rows(experiment) + H * (3 if experiment.cell == "lstm" else 1))
    entries = (
        11 * T * S * SLICE * task.inputs
        + 9 * _anew(arrays)
        + answers * (29 * H + 17 * SLICE)
        + 35 * _anew(answers * SLICE)
    )
    products = 0.31 * T * S * packed_weights(experiment, task)
    return slices * _seconds(speed, calls, entries, products * speed.product(S, SLICE, training=True))


def _rows(experiment: Experiment) -> int:
    """Return the rows of a layer's packed weight."""
    return experiment.hidden_size * len(LAYERS[experiment.cell].blocks)


def _anew(entries: float) -> float:
    """Return for how many entries of an array the system gives new memory: few of a small one, all of a large one."""
    return entries**2 / (entries + LARGE)


def _seconds(speed: Speed, calls: float, entries: float, products: float) -> float:
    """Add up operators, entries, and nanoseconds of products."""
    return 1e-9 * (calls * speed.call + entries * speed.entry + products)
