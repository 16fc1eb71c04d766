"""How long a cell takes here and now."""

from time import perf_counter

import torch

from analysis.bptt import Unroll, one_thread
from analysis.config import Experiment
from analysis.tasks import Task
from analysis.weights import initial_weights

REPEATS = 15


def milliseconds(experiment: Experiment, task: Task) -> float:
    """Time one model's recurrent layers: forward and back over one batch, the quickest of a few."""
    experiment = experiment.replace(seeds=1)
    weights, _ = initial_weights(experiment, task.inputs, task.outputs)
    T, B = task.length, experiment.batch_size
    inputs, output_grad = torch.ones(T, B, task.inputs), torch.ones(1, experiment.hidden_size, B)
    with one_thread():
        unroll = Unroll(experiment.cell, experiment.activation, weights, T, B)

        def once() -> float:
            began = perf_counter()
            unroll.start()
            unroll.forward(inputs)
            unroll.backward(output_grad, by_weights=True)
            return 1e3 * (perf_counter() - began)

        return min(once() for _ in range(REPEATS))
