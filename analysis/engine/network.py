"""What surrounds the recurrent layers of S models: embeddings, linear readouts, and answers to a task's sequences."""

import itertools
from collections.abc import Iterator

import torch
from torch import Tensor

from analysis.engine.initialization import Weights
from analysis.engine.unlike import last_states
from analysis.engine.unroll import Unroll
from analysis.experiment import Experiment
from analysis.tasks.task import Batch, Task

PIECE = 500  # time steps unrolled at once; longer sequences are cut into pieces
ANSWERED = 100  # time steps whose answers are read out at once
SLICE = 128  # sequences answered at once


def pieces(T: int, longest: int = PIECE) -> list[slice]:
    """Cut T steps into pieces of nearly the same length, none longer than `longest`."""
    count = -(-T // longest)
    ends = [T * k // count for k in range(count + 1)]
    return [slice(a, b) for a, b in itertools.pairwise(ends)]


def embed(weights: Weights, inputs: Tensor) -> Tensor:
    """Look up the vectors (T, S, B, D) of words given as class numbers, (T, B) or (T, S, B).

    Inputs that are vectors already, floating-point numbers, are returned unchanged.
    """
    if inputs.is_floating_point():
        return inputs
    table = weights["embedding.weight"]  # (S, V, D)
    codes = inputs.unsqueeze(1) if inputs.dim() == 2 else inputs
    return table[torch.arange(len(table)).unsqueeze(-1), codes]


def embedding_grad(weights: Weights, inputs: Tensor, input_grad: Tensor) -> dict[str, Tensor]:
    """Return the embedding's gradient (S, V, D), summed over samples, from that of its vectors, (T, S, D, B).

    The dict is empty unless inputs (T, S, B) are classes of words.
    """
    if inputs.is_floating_point():
        return {}
    table = torch.zeros_like(weights["embedding.weight"])
    S, V, D = table.shape
    rows = inputs + V * torch.arange(S).unsqueeze(-1)  # in the S tables, one below the other
    table.view(-1, D).index_add_(0, rows.flatten(), input_grad.mT.reshape(-1, D))
    return {"embedding.weight": table}


def readout(weights: Weights, hidden: Tensor) -> Tensor:
    """Return the answers (S, B, O) to top hidden states (S, H, B), or (S, T, B, O) to (T, S, H, B)."""
    outputs = (weights["readout.weight"] @ hidden + weights["readout.bias"].unsqueeze(-1)).mT
    return outputs if outputs.dim() == 3 else outputs.transpose(0, 1)


def answers(experiment: Experiment, weights: Weights, batch: Batch, *, last: bool = False) -> Iterator[Tensor]:
    """Answer a batch from the zero state, and yield the answers to one slice of b sequences after the other.

    Args:
        experiment: gives cell and activation.
        weights: torch's parameters by name, (S, ...), with the readout's.
        batch: the sequences.
        last: whether to answer at the last step alone, whatever the task.

    Yields:
        (S, b, O), or (S, T, b, O) where the task counts every step.
    """
    every_step = batch.every_step and not last
    for start in range(0, batch.inputs.shape[1], SLICE):
        part = slice(start, start + SLICE)
        inputs, lengths = batch.inputs[:, part], None if batch.lengths is None else batch.lengths[part]
        state, ended, outputs = None, None, []
        unrolls: dict[int, Unroll] = {}
        for piece in pieces(len(inputs), ANSWERED):
            T = piece.stop - piece.start
            if T not in unrolls:
                unrolls[T] = Unroll(experiment.cell, experiment.activation, weights, T, inputs.shape[1], backward=False)
            unroll = unrolls[T]
            unroll.start(state)
            top = unroll.forward(embed(weights, inputs[piece]))
            state = unroll.state()
            if every_step:
                outputs.append(readout(weights, top))
            else:
                ended = last_states(top, lengths, ended, piece.start)
        yield torch.cat(outputs, 1) if ended is None else readout(weights, ended)


@torch.no_grad()
def evaluate(experiment: Experiment, task: Task, weights: Weights, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return each model's loss and metric on a batch, (S,) each."""
    losses, scores = [], []
    targets = batch.targets.split(SLICE, dim=-1)
    for answer, target in zip(answers(experiment, weights, batch), targets, strict=True):
        losses.append(task.loss(answer, target))
        scores.append(task.score(answer, target))
    return torch.cat(losses, -1).mean(-1), torch.cat(scores, -1).mean(-1)
