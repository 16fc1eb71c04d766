"""Measure an ensemble on the measuring batch: decay, carry, saturation and bounds, in pieces where it is long."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from analysis.engine.cost import require_memory
from analysis.engine.initialization import Weights, initial_weights
from analysis.engine.layer import Memory
from analysis.engine.network import embed, pieces, readout
from analysis.engine.unlike import at_last_steps, last_states, without_padding
from analysis.engine.unroll import Unroll, cut_distance, cuts, one_thread
from analysis.experiment import Experiment
from analysis.measures.bounds import activation_bounds
from analysis.measures.decay import carry_norms, decay_of_norms, distances_present, gradient_norms, with_shares
from analysis.measures.gates import gate_saturation
from analysis.results import THRESHOLD, Bounds, Decay, Measured, Saturation, Tape
from analysis.sources import with_own_length
from analysis.tasks.registry import build_task
from analysis.tasks.task import Batch, Task

DECAYS = ("memory", "hidden", "input", "weights", "carry")  # kinds of decay that are measured


@dataclass(frozen=True)
class PieceMeasured:
    """What was measured on one piece of a sequence."""

    norms: dict[str, np.ndarray]  # by kind of decay, (S, k, B) each
    saturation: dict[str, Saturation]
    counted: dict[str, np.ndarray]  # (S, L, H) by gate: how many values its saturation counts
    bounds: Bounds


class Meter:
    """Measures one experiment's models in float64, as often as asked, on the same sequences.

    A long sequence is cut into pieces. They are run forward once, keeping the states between them; then, the last
    piece first, each is run forward again and back. So recordings take the memory of one piece, whatever T is: only
    inputs, norms, quantiles of states and the states between pieces grow with T.
    """

    def __init__(self, experiment: Experiment, task: Task, batch: Batch | None = None) -> None:
        batch = batch or task.measuring()
        self.experiment, self.task = experiment, task
        self.inputs = batch.inputs if task.vocabulary else batch.inputs.double()
        self.targets = batch.targets[-1:] if task.every_step else batch.targets
        self.lengths = batch.lengths  # unlike ones are run in one piece
        self.pieces = pieces(len(self.inputs))
        self._unrolls: dict[int, Unroll] = {}  # by length of a piece

    def measure(
        self,
        weights: Weights,
        of: Sequence[str] = DECAYS,
        threshold: float = THRESHOLD,
        on_progress: Callable[[float], None] = lambda share: None,
        exclude: Sequence[int] = (),
    ) -> Measured:
        """Measure models with these weights.

        Args:
            weights: torch's parameters by name, (S, ...), with the readout's.
            of: the kinds of decay; "carry" is left out for an RNN, which has none.
            threshold: the share of ‖g_0‖ that is left at a horizon.
            on_progress: called with the share that is done.
            exclude: indices of models to leave out of the decay curves, like models that leave the finite range.
        """
        weights = _as_float64(weights)
        if self.lengths is not None:
            return self._measure_unlike(weights, of, threshold, exclude)
        with one_thread(), torch.no_grad():
            states, hidden = self._run_forward(weights, on_progress)
            loss, output_grad = self._loss(weights, hidden)
            walk = self._walk_back(weights, states, output_grad, of, on_progress)
            parts = [self._measure_piece(norms, tape) for norms, tape in walk]
        return Measured(
            loss=loss.numpy(),
            decays=self._join_decays([part.norms for part in parts], threshold, exclude),
            saturation=_join_saturations(parts),
            bounds=_join_bounds([part.bounds for part in parts[::-1]]),
        )

    def decays(self, weights: Weights) -> dict[str, Decay]:
        """Measure the decays of memory and carry alone, as `measure` does, in half the time."""
        weights = _as_float64(weights)
        if self.lengths is not None:
            return self._measure_unlike(weights, ("memory", "carry")).decays
        with one_thread(), torch.no_grad():
            states, hidden = self._run_forward(weights)
            _, output_grad = self._loss(weights, hidden)
            walk = self._walk_back(weights, states, output_grad, ("memory", "carry"))
            return self._join_decays([norms for norms, _ in walk])

    def tape(self, weights: Weights) -> Tape:
        """Record one run over the whole sequence at once."""
        return self._recorded(_as_float64(weights))[1]

    def _recorded(self, weights: Weights) -> tuple[Tensor, Tape]:
        """Return each model's mean loss (S,), and the tape of one run over the whole sequence at once."""
        with one_thread(), torch.no_grad():
            T, B = self.inputs.shape[:2]
            unroll = Unroll(self.experiment.cell, self.experiment.activation, weights, T, B)  # the tape's own
            unroll.start()
            hidden = last_states(unroll.forward(embed(weights, self.inputs)), self.lengths)
            loss, output_grad = self._loss(weights, hidden)
            unroll.backward(at_last_steps(output_grad, self.lengths, T), cuts=cuts(self.experiment.truncate, 0, T))
            tape = unroll.tape()
            return loss, tape if self.lengths is None else without_padding(tape, self.lengths)

    def _measure_unlike(
        self,
        weights: Weights,
        of: Sequence[str],
        threshold: float = THRESHOLD,
        exclude: Sequence[int] = (),
    ) -> Measured:
        """Measure sequences of unlike lengths: a distance counts from each one's own last step."""
        loss, tape = self._recorded(weights)
        present = distances_present(tape)
        norms = {kind: gradient_norms(tape, kind) for kind in of if kind != "carry"}
        if tape.keep_gate is not None and "carry" in of:
            norms["carry"], _ = carry_norms(tape)
        counted = dict.fromkeys(norms, present)
        if "weights" in of:  # the furthest distance stays, as in sequences of one length
            counted["weights"] = np.append(with_shares(norms["weights"][:, :-1], present[:-1]), present[-1:], axis=0)
        return Measured(
            loss=loss.numpy(),
            decays=self._join_decays([norms], threshold, exclude, counted),
            saturation=gate_saturation(tape),
            bounds=activation_bounds(tape),
        )

    def _join_decays(
        self,
        parts: Sequence[dict[str, np.ndarray]],
        threshold: float = THRESHOLD,
        exclude: Sequence[int] = (),
        present: Mapping[str, np.ndarray] | None = None,
    ) -> dict[str, Decay]:
        """Join the pieces' norms by kind, (S, k, B) each, the last piece first; return a `Decay` for each kind.

        `present` says by kind which distances each sequence has, (T, B); None = all.
        """
        cut = cut_distance(self.experiment.truncate, len(self.inputs))
        decays = {}
        for kind in parts[0]:
            norms = np.concatenate([part[kind] for part in parts], axis=1)
            norms[list(exclude)] = np.nan
            # What the gate alone would carry is not cut: a gradient that is not handed back is no matter of the gate.
            decay = decay_of_norms(norms, kind, threshold, None if present is None else present[kind])
            decays[kind] = replace(decay, cut=None if kind == "carry" else cut)
        return decays

    def _measure_piece(self, norms: dict[str, np.ndarray], tape: Tape) -> PieceMeasured:
        """Measure gates and states of one piece, whose norms are given."""
        several = len(self.pieces) > 1  # a single piece is not joined, and needs no counts
        counted = {name: (~np.isnan(gate)).sum((2, 3)) for name, gate in tape.gates.items()} if several else {}
        return PieceMeasured(norms, gate_saturation(tape), counted, activation_bounds(tape))

    def _unroll(self, weights: Weights, piece: slice) -> Unroll:
        """Return the unroll of a piece's length, with these weights."""
        T = piece.stop - piece.start
        if T not in self._unrolls:
            cell, activation = self.experiment.cell, self.experiment.activation
            self._unrolls[T] = Unroll(cell, activation, weights, T, self.inputs.shape[1])
        self._unrolls[T].load(weights)
        return self._unrolls[T]

    def _loss(self, weights: Weights, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Return each model's mean loss (S,) at the last step, and ∂ℓ/∂h of each sample's own loss, (S, H, B)."""
        with torch.enable_grad():
            hidden = hidden.clone().requires_grad_()
            answers = readout(weights, hidden)
            losses = self.task.loss(answers.unsqueeze(1) if self.task.every_step else answers, self.targets)
            return losses.detach().mean(-1), torch.autograd.grad(losses.sum(), hidden)[0]

    def _run_forward(
        self, weights: Weights, on_progress: Callable[[float], None] = lambda share: None
    ) -> tuple[list[list[Memory] | None], Tensor]:
        """Run all pieces; return the state before each, None = zero, and the last hidden state (S, H, B)."""
        states: list[list[Memory] | None] = [None]
        for k, piece in enumerate(self.pieces):
            unroll = self._unroll(weights, piece)
            unroll.start(states[k])
            hidden = unroll.forward(embed(weights, self.inputs[piece]))[-1]
            states.append(unroll.state())
            on_progress((k + 1) / len(self.pieces) / 3)
        return states[:-1], hidden

    def _walk_back(
        self,
        weights: Weights,
        states: Sequence[list[Memory] | None],
        output_grad: Tensor,
        of: Sequence[str],
        on_progress: Callable[[float], None] = lambda share: None,
    ) -> Iterator[tuple[dict[str, np.ndarray], Tape]]:
        """Yield each piece's norms and tape, the last piece first; the next piece overwrites the tape.

        `states` and `output_grad` are what `_run_forward` and `_loss` returned just before: the last piece's unroll
        still holds its forward pass.
        """
        later: list[Memory] | None = None
        carried: np.ndarray | None = None
        for k, piece in list(enumerate(self.pieces))[::-1]:
            unroll = self._unroll(weights, piece)
            if later is not None:
                unroll.start(states[k])
                unroll.forward(embed(weights, self.inputs[piece]))
            cut = cuts(self.experiment.truncate, piece.start, piece.stop)
            unroll.backward(output_grad if later is None else None, later, cuts=cut)
            later = unroll.earlier()
            tape = unroll.tape(weight_grad="weights" in of)
            norms = {kind: gradient_norms(tape, kind) for kind in of if kind != "carry"}
            if tape.keep_gate is not None and "carry" in of:
                norms["carry"], carried = carry_norms(tape, start=carried)
            yield norms, tape
            on_progress(1 - k / len(self.pieces) * 2 / 3)


def measure_untrained(
    experiment: Experiment, threshold: float = THRESHOLD, on_progress: Callable[[float], None] = lambda share: None
) -> Measured:
    """Measure an experiment's models as they start, before any training.

    Args:
        experiment: what to measure.
        threshold: the share of ‖g_0‖ that is left at a horizon.
        on_progress: called with the share that is done.

    Raises:
        ValueError: where the experiment needs more memory than this machine has.
    """
    experiment = with_own_length(experiment)
    task = build_task(experiment)
    require_memory(experiment, task, training=False)
    weights, _ = initial_weights(experiment, task.inputs, task.outputs, task.vocabulary)
    return Meter(experiment, task).measure(weights, threshold=threshold, on_progress=on_progress)


def _as_float64(weights: Weights) -> Weights:
    """Return detached copies of the weights in float64."""
    return {name: weight.detach().double() for name, weight in weights.items()}


def _join_saturations(parts: Sequence[PieceMeasured]) -> dict[str, Saturation]:
    """Join the saturation of each gate over the pieces, each weighted by how many values it counted."""
    if len(parts) == 1:
        return parts[0].saturation

    def join(name: str) -> Saturation:
        gates = [part.saturation[name] for part in parts]
        counted = np.array([part.counted[name] for part in parts])
        return replace(
            gates[0],
            left=_weighted_mean([gate.left for gate in gates], counted),
            right=_weighted_mean([gate.right for gate in gates], counted),
            counts=np.sum([gate.counts for gate in gates], axis=0),
        )

    return {name: join(name) for name in parts[0].saturation}


def _weighted_mean(shares: Sequence[np.ndarray | None], counted: np.ndarray) -> np.ndarray | None:
    """Return the mean of shares (S, L, H), weighted by counts (pieces, S, L, H); None where a share is None."""
    arrays = [share for share in shares if share is not None]
    if len(arrays) < len(shares):
        return None
    with np.errstate(invalid="ignore"):  # 0 / 0
        return np.nansum(np.array(arrays) * counted, axis=0) / counted.sum(axis=0)


def _join_bounds(parts: Sequence[Bounds]) -> Bounds:
    """Join the bounds of the pieces in the order of time."""
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
