"""Measure an ensemble on the measuring batch: decay, carry, saturation and bounds, in pieces where it is long."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from analysis.engine.cost import require_memory
from analysis.engine.initialization import Weights, initial_weights
from analysis.engine.network import embed, pieces, readout
from analysis.engine.unroll import Unroll, one_thread
from analysis.experiment import KEEP_GATE, Experiment
from analysis.measures.bounds import activation_bounds
from analysis.measures.decay import carry_norms, decay_of_norms, gradient_norms
from analysis.measures.gates import gate_saturation
from analysis.results import Bounds, Decay, Measured, Saturation, Tape
from analysis.tasks.registry import build_task
from analysis.tasks.task import Batch, Task

OF = ("memory", "hidden", "input", "weights", "carry")


class Meter:
    """Measures one experiment's models again and again, in float64, on the same sequences.

    A sequence longer than a piece is walked with only the states between pieces kept: forward once, then back
    from the last piece, each run again. So memory grows with T by the norms alone.
    """

    def __init__(self, experiment: Experiment, task: Task, batch: Batch | None = None) -> None:
        batch = batch or task.measuring()
        self.experiment, self.task = experiment, task
        self.inputs = batch.inputs if task.vocabulary else batch.inputs.double()
        self.targets = batch.targets[-1:] if task.every_step else batch.targets
        self.pieces = pieces(len(self.inputs))
        self._unrolls: dict[int, Unroll] = {}

    def measure(
        self,
        weights: Weights,
        of: Sequence[str] = OF,
        threshold: float = 0.01,
        on_progress: Callable[[float], None] = lambda share: None,
        exclude: Sequence[int] = (),
    ) -> Measured:
        """Measure models with these weights; `on_progress` is called with the share done.

        Models in `exclude` are left out of the decay curves, as those that leave the finite range are.
        """
        loss, walked = self._walk(weights, of, self._look, on_progress)
        norms, causes = zip(*walked, strict=True)
        saturations, counted, bounds = zip(*causes, strict=True)
        return Measured(
            loss=loss.numpy(),
            decays=_decays(norms, threshold, exclude),
            saturation=_join_saturations(saturations, counted),
            bounds=_join_bounds(bounds[::-1]),
        )

    def _look(self, tape: Tape) -> tuple[dict[str, Saturation], dict[str, np.ndarray], Bounds]:
        """Return what a piece says of gates and states, and in how many values of each unit's gate, (S, L, H)."""
        several = len(self.pieces) > 1
        counted = {name: (~np.isnan(gate)).sum((2, 3)) for name, gate in tape.gates.items()} if several else {}
        return gate_saturation(tape), counted, activation_bounds(tape)

    def decays(self, weights: Weights) -> dict[str, Decay]:
        """Measure of `measure`'s decays memory and carry alone, in half the time."""
        _, walked = self._walk(weights, ("memory", "carry"))
        return _decays([norms for norms, _ in walked])

    def tape(self, weights: Weights) -> Tape:
        """Record one run over the whole sequence at once."""
        weights = {name: weight.detach().double() for name, weight in weights.items()}
        with one_thread(), torch.no_grad():
            T, B = self.inputs.shape[:2]
            unroll = Unroll(self.experiment.cell, self.experiment.activation, weights, T, B)  # the tape's own
            unroll.start()
            _, output_grad = self._loss(weights, unroll.forward(embed(weights, self.inputs))[-1])
            unroll.backward(output_grad)
            return unroll.tape()

    def _unroll(self, weights: Weights, piece: slice) -> Unroll:
        T = piece.stop - piece.start
        if T not in self._unrolls:
            cell, activation = self.experiment.cell, self.experiment.activation
            self._unrolls[T] = Unroll(cell, activation, weights, T, self.inputs.shape[1])
        self._unrolls[T].load(weights)
        return self._unrolls[T]

    def _loss(self, weights: Weights, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Loss of each model (S,) at the last step, and ∂ℓ/∂h of each sample's own, (S, H, B)."""
        with torch.enable_grad():
            hidden = hidden.clone().requires_grad_()
            answers = readout(weights, hidden)
            losses = self.task.loss(answers.unsqueeze(1) if self.task.every_step else answers, self.targets)
            return losses.detach().mean(-1), torch.autograd.grad(losses.sum(), hidden)[0]

    @one_thread()
    @torch.no_grad()
    def _walk(
        self,
        weights: Weights,
        of: Sequence[str],
        look: Callable[[Tape], tuple | None] = lambda tape: None,
        on_progress: Callable[[float], None] = lambda share: None,
    ) -> tuple[Tensor, list[tuple[dict[str, np.ndarray], tuple | None]]]:
        """Return each model's loss; by piece, from the last to the first, norms and what `look` says of its tape."""
        weights = {name: weight.detach().double() for name, weight in weights.items()}
        states = [None]
        for k, piece in enumerate(self.pieces):
            unroll = self._unroll(weights, piece)
            unroll.start(states[k])
            hidden = unroll.forward(embed(weights, self.inputs[piece]))[-1]
            states.append(unroll.state())
            on_progress((k + 1) / len(self.pieces) / 3)
        loss, output_grad = self._loss(weights, hidden)
        later = carried = None
        walked = []
        for k, piece in list(enumerate(self.pieces))[::-1]:
            if later is not None:  # the last piece still holds its forward pass
                unroll = self._unroll(weights, piece)
                unroll.start(states[k])
                unroll.forward(embed(weights, self.inputs[piece]))
                output_grad = None
            unroll.backward(output_grad, later)
            later = unroll.earlier()
            tape = unroll.tape(weight_grad="weights" in of)
            norms = {kind: gradient_norms(tape, kind) for kind in of if kind != "carry"}
            if self.experiment.cell in KEEP_GATE and "carry" in of:
                norms["carry"], carried = carry_norms(tape, start=carried)
            walked.append((norms, look(tape)))
            on_progress(1 - k / len(self.pieces) * 2 / 3)
        return loss, walked


def measure_untrained(
    experiment: Experiment, threshold: float = 0.01, on_progress: Callable[[float], None] = lambda share: None
) -> Measured:
    """Measure an experiment's models as they start, before any training."""
    task = build_task(experiment)
    require_memory(experiment, task, training=False)
    weights, _ = initial_weights(experiment, task.inputs, task.outputs, task.vocabulary)
    return Meter(experiment, task).measure(weights, threshold=threshold, on_progress=on_progress)


def _decays(
    parts: Sequence[dict[str, np.ndarray]], threshold: float = 0.01, exclude: Sequence[int] = ()
) -> dict[str, Decay]:
    """Join norms by kind, (S, k, B) each, of the pieces from the last to the first."""
    decays = {}
    for kind in parts[0]:
        norms = np.concatenate([part[kind] for part in parts], axis=1)
        norms[list(exclude)] = np.nan
        decays[kind] = decay_of_norms(norms, kind, threshold)
    return decays


def _join_saturations(
    parts: Sequence[dict[str, Saturation]], counted: Sequence[dict[str, np.ndarray]]
) -> dict[str, Saturation]:
    """Join what pieces of a sequence say, each weighted by how many values it counted."""
    if len(parts) == 1:
        return parts[0]

    def join(name: str) -> Saturation:
        gates, counts = [part[name] for part in parts], np.array([each[name] for each in counted])

        def share(shares: list[np.ndarray | None]) -> np.ndarray | None:
            with np.errstate(invalid="ignore"):  # 0 / 0
                return None if shares[0] is None else np.nansum(shares * counts, axis=0) / counts.sum(axis=0)

        return replace(
            gates[0],
            left=share([gate.left for gate in gates]),
            right=share([gate.right for gate in gates]),
            counts=np.sum([gate.counts for gate in gates], axis=0),
        )

    return {name: join(name) for name in parts[0]}


def _join_bounds(parts: Sequence[Bounds]) -> Bounds:
    """Join what pieces of a sequence say, one after the other."""
    if len(parts) == 1:
        return parts[0]
    starts = np.cumsum([0, *(part.hidden.shape[1] for part in parts)])
    overflows = [s + p.overflow_step for s, p in zip(starts, parts, strict=False) if p.overflow_step is not None]
    return replace(
        parts[0],
        hidden=np.concatenate([part.hidden for part in parts], axis=1),
        cell=None if parts[0].cell is None else np.concatenate([part.cell for part in parts], axis=1),
        saturated=np.concatenate([part.saturated for part in parts]),
        overflow_step=int(overflows[0]) if overflows else None,
    )
