"""train(experiment) -> Run: train the models of an experiment, and measure them before, during and after."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from analysis.engine.cost import count_cost, require_memory
from analysis.engine.initialization import initial_weights
from analysis.engine.network import embed, embedding_grad, evaluate, readout
from analysis.engine.overflow import overflow_back, overflow_forward
from analysis.engine.unlike import at_last_steps, last_states
from analysis.engine.unroll import Unroll, cuts, one_thread
from analysis.experiment import Experiment
from analysis.measures.memory import memory_curve
from analysis.measures.meter import Meter
from analysis.results import Diverged, Measured, Result, Run, Snapshot, versions
from analysis.sources import with_own_length
from analysis.tasks.registry import build_task
from analysis.tasks.task import EVALUATION_SEED, Task, seeded
from analysis.training import optimizers

SNAPSHOT_SAMPLES = 8  # sequences that a snapshot between the first and the last is measured on


@dataclass(frozen=True, eq=False)
class Checkpoint(Result):
    """Everything a training needs to continue as if never interrupted. P is the number of weights of one model."""

    step: int
    weights: np.ndarray  # (S, P)
    optimizer: dict[str, np.ndarray]  # the optimizer's state by name, (S, P) or ()
    generators: np.ndarray  # (S, bytes) state of the generator that draws each model's sequences
    seen: np.ndarray  # (n, 3, S) loss, metric and whether clipped, of the n steps since the last snapshot
    diverged: tuple[Diverged, ...]
    seconds: float = field(default=0.0, compare=False)  # spent in training steps
    elapsed: float = field(default=0.0, compare=False)  # seconds spent in all, measuring included


def train(experiment: Experiment, on_snapshot: Callable[[Snapshot], None] | None = None) -> Run:
    """Train the models of an experiment, and measure them before, during and after.

    Args:
        experiment: what to train.
        on_snapshot: called with each `Snapshot` as it is taken: at step 0, every `snapshot_every`, and at the end.

    Raises:
        ValueError: where the experiment would not fit in memory, or its text or data can't be used.
    """
    return resume(with_own_length(experiment), on_snapshot=on_snapshot)


def resume(
    experiment: Experiment,
    checkpoint: Checkpoint | None = None,
    snapshots: Sequence[Snapshot] = (),
    on_snapshot: Callable[[Snapshot], None] | None = None,
    on_step: Callable[["Trainer"], None] | None = None,
) -> Run:
    """Train on from a checkpoint, or from the start; the result equals that of an uninterrupted training.

    Args:
        experiment: what to train.
        checkpoint: where to continue; None = from the start.
        snapshots: those taken before the interruption; any later than the checkpoint is dropped and taken again.
        on_snapshot: called with each new `Snapshot`.
        on_step: called with the trainer after each step and between the final measurements; may take a `checkpoint`,
            or raise to stop.

    Raises:
        ValueError: as `train`, and for a checkpoint of another experiment.
    """
    task = build_task(experiment)
    require_memory(experiment, task, training=True)
    on_step = on_step or _do_nothing
    taken: list[Snapshot] = []
    with one_thread():
        trainer = Trainer(experiment, task)
        before = trainer.measure()
        if checkpoint:
            trainer.restore(checkpoint)
            taken = [s for s in snapshots if s.step < trainer.step or (s.step == trainer.step and not trainer.seen)]
        for snapshot in trainer.snapshots(on_step):
            taken.append(snapshot)
            if on_snapshot:
                on_snapshot(snapshot)
        return _assemble_run(trainer, before, taken, on_step)


def _do_nothing(trainer: "Trainer") -> None:
    """Stand in for a missing `on_step`."""


def _assemble_run(
    trainer: "Trainer", before: Measured, snapshots: Sequence[Snapshot], on_step: Callable[["Trainer"], None]
) -> Run:
    """Measure the trained models, and return the finished run."""
    experiment, task = trainer.experiment, trainer.task
    loss, metric = evaluate(experiment, task, trainer.weights, task.evaluation())
    loss[trainer.dead] = metric[trainer.dead] = torch.nan
    on_step(trainer)
    after = trainer.measure()
    on_step(trainer)
    return Run(
        experiment=experiment,
        status="diverged" if len(trainer.dead) == experiment.seeds else "finished",
        snapshots=tuple(snapshots),
        loss=loss.double().numpy(),
        metric=metric.double().numpy(),
        metric_name=task.metric_name,
        chance=task.chance,
        solved=task.solved,
        measured_before=before,
        measured_after=after,
        memory=memory_curve(experiment, task, trainer.weights, exclude=trainer.dead),
        weights={name: weight.detach().numpy().copy() for name, weight in trainer.weights.items()},
        diverged=tuple(trainer.diverged),
        versions=versions(),
        text_sha256=task.text_sha256,
        data_sha256=task.data_sha256,
        timing={
            "seconds": trainer.elapsed,
            "ms_per_step": 1e3 * trainer.seconds / trainer.step,
            **count_cost(experiment, task),
        },
    )


class Trainer:
    """Models in training: their weights, the optimizer's state, the random generators, and the current step."""

    def __init__(self, experiment: Experiment, task: Task) -> None:
        self.experiment, self.task, self.step, self.seconds = experiment, task, 0, 0.0
        initial, self.generators = initial_weights(experiment, task.inputs, task.outputs, task.vocabulary)
        # The optimizer gets one tensor (S, P), into which the weights by name are views.
        self.flat = torch.cat([weight.flatten(1) for weight in initial.values()], dim=1)
        sizes = [weight[0].numel() for weight in initial.values()]
        parts = self.flat.split(sizes, dim=1)
        self.weights = {n: part.unflatten(1, w.shape[1:]) for (n, w), part in zip(initial.items(), parts, strict=True)}
        self.optimizer = optimizers.initial_state(experiment.optimizer, self.flat)
        self.unroll = Unroll(experiment.cell, experiment.activation, self.weights, task.length, experiment.batch_size)
        self.cuts = cuts(experiment.truncate, 0, task.length)
        measuring = task.measuring()
        first = measuring.of(slice(SNAPSHOT_SAMPLES))
        self.meter, self.snapshot_meter = Meter(experiment, task, measuring), Meter(experiment, task, first)
        self.diverged: list[Diverged] = []
        self.seen: list[tuple[Tensor, Tensor, Tensor]] = []  # loss, metric, clipped by step
        self._measured: Measured | None = None  # by `measure`; None once weights change
        self._elapsed_before = 0.0  # seconds until the checkpoint
        self._started = time.perf_counter()  # clock at the start, moved back by the seconds until the checkpoint

    @property
    def elapsed(self) -> float:
        """Return the seconds this training has taken, including those before an interruption."""
        return time.perf_counter() - self._started

    def checkpoint(self) -> Checkpoint:
        """Return a copy of everything that later steps depend on."""
        return Checkpoint(
            step=self.step,
            weights=self.flat.numpy().copy(),
            optimizer={name: value.numpy().copy() for name, value in self.optimizer.items()},
            generators=torch.stack([generator.get_state() for generator in self.generators]).numpy(),
            seen=np.array([[part.numpy() for part in parts] for parts in self.seen]),
            diverged=tuple(self.diverged),
            seconds=self.seconds,
            elapsed=self.elapsed,
        )

    def restore(self, checkpoint: Checkpoint) -> None:
        """Restore the state of a checkpoint; ValueError where the checkpoint is of another experiment."""
        if checkpoint.weights.shape != self.flat.shape or len(checkpoint.generators) != len(self.generators):
            raise ValueError(
                f"a checkpoint of weights {checkpoint.weights.shape}: expected one of {tuple(self.flat.shape)}"
            )
        self.step, self.seconds, self.diverged = checkpoint.step, checkpoint.seconds, list(checkpoint.diverged)
        self._elapsed_before = checkpoint.elapsed
        self._start_clock()
        self.flat.copy_(torch.tensor(checkpoint.weights))
        self._measured = None
        self.optimizer = {name: torch.tensor(value) for name, value in checkpoint.optimizer.items()}
        for generator, state in zip(self.generators, checkpoint.generators, strict=True):
            generator.set_state(torch.tensor(state))
        self.seen = [(loss, metric, clipped) for loss, metric, clipped in map(torch.tensor, checkpoint.seen)]

    def _start_clock(self) -> None:
        """Start counting `elapsed` from the seconds until the checkpoint."""
        self._started = time.perf_counter() - self._elapsed_before

    @property
    def finished(self) -> bool:
        """Return whether all steps are done, or all models have diverged."""
        return self.step >= self.experiment.steps or len(self.diverged) == self.experiment.seeds

    def snapshots(self, on_step: Callable[["Trainer"], None] = _do_nothing) -> Iterator[Snapshot]:
        """Train to the end; yield a snapshot at step 0, every `snapshot_every`, and at the end."""
        self._start_clock()
        if self.step == 0:
            fresh = self.task.draw(self.experiment.batch_size, seeded(EVALUATION_SEED))
            loss, score = evaluate(self.experiment, self.task, self.weights, fresh)
            self.seen = [(loss.double(), score.double(), torch.zeros_like(loss, dtype=torch.float64))]
        while True:
            if self.seen and (self.step % self.experiment.snapshot_every == 0 or self.finished):
                yield self._snapshot()
            if self.finished:
                return
            started = time.perf_counter()
            loss, score, clipped = self.advance()
            self.seen.append((loss.double(), score.double(), clipped.double()))
            self.seconds += time.perf_counter() - started
            on_step(self)

    def _snapshot(self) -> Snapshot:
        """Return the means over all steps since the last snapshot, and measures of the current models."""
        loss, metric, clipped = (torch.stack(column).mean(0).numpy() for column in zip(*self.seen, strict=True))
        self.seen = []
        loss[self.dead] = metric[self.dead] = np.nan
        if self.step == 0 or self.finished:
            measured = self.measure()
        else:
            measured = self.snapshot_meter.measure(self.weights, of=("memory",), exclude=self.dead)
        return Snapshot(self.step, loss, metric, clipped, measured.decay, measured.saturation, measured.bounds)

    def measure(self) -> Measured:
        """Measure the models on the whole measuring batch; the result is cached until the weights change."""
        if self._measured is None:
            self._measured = self.meter.measure(self.weights, exclude=self.dead)
        return self._measured

    def advance(self) -> tuple[Tensor, Tensor, Tensor]:
        """Do one training step on fresh sequences; return each model's loss, metric and whether it was clipped."""
        self._measured = None
        batches = [self.task.draw(self.experiment.batch_size, generator) for generator in self.generators]
        inputs = torch.stack([batch.inputs for batch in batches], dim=1)
        targets = torch.stack([batch.targets for batch in batches])
        own = [batch.lengths for batch in batches if batch.lengths is not None]
        lengths = torch.stack(own) if own else None
        self.unroll.load(self.weights)
        self.unroll.start()
        top = self.unroll.forward(embed(self.weights, inputs))
        hidden = (top if self.task.every_step else last_states(top, lengths)).detach().requires_grad_()
        head = {n: w.detach().requires_grad_() for n, w in self.weights.items() if n.startswith("readout")}
        answers = readout(head, hidden)
        losses = self.task.loss(answers, targets)  # (S, B)
        output_grad, *head_grads = torch.autograd.grad(losses.sum(), [hidden, *head.values()])
        self.unroll.backward(at_last_steps(output_grad, lengths, len(top)), by_weights=True, cuts=self.cuts)
        by_words = embedding_grad(self.weights, inputs, self.unroll.layers[0].dx)
        grads = [*self.unroll.weight_grads().values(), *head_grads, *by_words.values()]
        loss = losses.detach().mean(1)
        with torch.no_grad():
            clipped = self._update(torch.cat([grad.flatten(1) for grad in grads], 1), loss)
            return loss, self.task.score(answers, targets).mean(1), clipped

    def _update(self, grad: Tensor, loss: Tensor) -> Tensor:
        """Take one optimizer step with gradients (S, P) summed over samples; return which models were clipped, (S,).

        A model diverges if its loss, last states, gradient or weights after the step are not finite. It keeps the
        weights it had before the step, and the others continue.
        """
        grad /= self.experiment.batch_size
        size = torch.linalg.vector_norm(grad, dim=1, dtype=torch.float64)
        states = torch.cat([state.flatten(1) for layer in self.unroll.state() for state in layer], 1)
        self._end_where_not_finite(loss=loss.unsqueeze(1), state=states, gradient=size.unsqueeze(1))
        clip = self.experiment.clip
        clipped = (size >= clip) & (clip > 0)
        grad *= torch.where(clipped, clip / size, 1.0).unsqueeze(1)
        before = self.flat.clone()
        optimizers.step(self.experiment.optimizer, self.flat, grad, self.experiment.learning_rate, self.optimizer)
        self._end_where_not_finite(weights=self.flat)
        self.flat[self.dead] = before[self.dead]
        self.step += 1
        return clipped

    def _end_where_not_finite(self, **values: Tensor) -> None:
        """Record every model as diverged that has a value (S, ...) which is not finite, with where it began."""
        for what, of_model in values.items():
            for model in torch.nonzero(~of_model.isfinite().all(1)).flatten().tolist():
                if model not in self.dead:
                    reason = f"its {what} left the finite range{self._place(model)}"
                    self.diverged.append(Diverged(model, self.step, reason))

    def _place(self, model: int) -> str:
        """Return the time step at which a model left the finite range in the last pass; "" if it did not."""
        if (step := overflow_forward(self.unroll, model)) is not None:
            return f" at time step {step + 1} of {self.unroll.T}, going forward"
        step = overflow_back(self.unroll, model)
        return "" if step is None else f" at time step {step + 1} of {self.unroll.T}, going back"

    @property
    def dead(self) -> list[int]:
        """Return the indices of the models that diverged."""
        return [failure.model for failure in self.diverged]
