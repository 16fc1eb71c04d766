"""Why a gradient fades, measured on one experiment: gradient matrix, update by distance, exponents, singular values."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from analysis.engine.initialization import Weights
from analysis.engine.network import embed, pieces, readout
from analysis.engine.unroll import Unroll, cut_distance, cuts, one_thread
from analysis.experiment import GATES, Experiment
from analysis.measures.lyapunov import exponents_of_run, singular_values_of_run
from analysis.measures.preview import preview_sizes
from analysis.measures.spectrum import matrix_of_run
from analysis.measures.weights import Trained, weights_of
from analysis.reasons import GradientMatrix, SingularValues, Spectrum, UpdateShares
from analysis.results import SMALLEST
from analysis.tasks.registry import build_task
from analysis.tasks.task import Task

SEQUENCES = 16
ROWS, SHORTEST = 200, 10  # time steps of a matrix: at most, and at least where a model is large
FEWEST_STEPS = 8  # time steps over which singular values are measured at least
LONGEST = 1000  # time steps at the end of a sequence over which a spectrum is measured
DISTANCES = 25  # at which singular values are measured
MATRIX_WORK = 1e9  # multiply-adds that a picture comes after at once; of the matrices of all seeds, twice as many
SPECTRUM_WORK = 3e8  # the same of small products and their QR, which cost more


@dataclass(frozen=True)
class Window:
    """The last time steps of a run over a task's sequences, forward."""

    task: Task
    weights: Weights  # float64
    unroll: Unroll
    top: Tensor  # (T, S, H, B) hidden states of the top layer
    targets: Tensor  # (B,), or (T, B) where every step counts
    first: int  # number of the window's first time step

    def loss_grads(self) -> Tensor:
        """Return ∂ℓ_t/∂(top hidden state)_t, (T, S, H, B), of each sample's loss of the answer at each time step."""
        with torch.inference_mode(False), torch.enable_grad():
            top = self.top.clone().requires_grad_()
            losses = self.task.loss(readout(self.weights, top), self.targets)
            steps = len(top) if self.task.every_step else 1  # such a loss is a mean over steps
            return torch.autograd.grad(steps * losses.sum(), top)[0]


def run_window(experiment: Experiment, trained: Trained, steps: int | None, models: range, samples: int) -> Window:
    """Run some of an experiment's models over the first of the measuring sequences; keep the last time steps, or all.

    Of sequences of unlike lengths, the longest alone are read.

    Raises:
        ValueError, ModuleNotFoundError: where the task can't be built.
    """
    task = build_task(experiment)
    batch = task.measuring().longest()
    weights = {name: weight.double() for name, weight in weights_of(experiment, task, trained, models).items()}
    inputs = batch.inputs[:, :samples] if task.vocabulary else batch.inputs[:, :samples].double()
    first = max(len(inputs) - (steps or len(inputs)), 0)
    kind = experiment.cell, experiment.activation, weights
    state = None
    with one_thread(), torch.no_grad():
        for piece in pieces(first) if first else ():
            before = Unroll(*kind, piece.stop - piece.start, inputs.shape[1], backward=False)
            before.start(state)
            before.forward(embed(weights, inputs[piece]))
            state = before.state()
        unroll = Unroll(*kind, len(inputs) - first, inputs.shape[1])
        unroll.start(state)
        top = unroll.forward(embed(weights, inputs[first:]))
    targets = batch.targets[..., :samples]
    return Window(task, weights, unroll, top, targets[first:] if task.every_step else targets, first)


def measure_matrix(experiment: Experiment, trained: Trained = None, model: int = 0) -> GradientMatrix:
    """Measure how much of each time step's gradient is left at each earlier one, in one model, and its spread.

    The matrix is that of one model; the means of its diagonals are there of as many seeds as come at once. A long
    sequence, or a large model, is measured on its last time steps and fewer sequences.

    Raises:
        ValueError, ModuleNotFoundError: where the task can't be built.
    """
    H = experiment.hidden_size
    pairs = MATRIX_WORK / (_blocks(experiment) * H * H)  # of two time steps, in one sequence
    steps = max(SHORTEST, min(ROWS, int((2 * pairs / 4) ** 0.5)))
    samples = max(1, min(SEQUENCES, int(2 * pairs / min(steps, experiment.task_length) ** 2)))
    fit = int(2 * pairs / (samples * min(steps, experiment.task_length) ** 2 / 2))  # models
    first, shown = _relative_matrix(experiment, trained, steps, samples, model)
    others = [k for k in range(min(experiment.seeds, fit)) if k != model]
    matrices = [shown, *(_relative_matrix(experiment, trained, steps, samples, k)[1] for k in others)]
    return GradientMatrix(first, shown, np.array([diagonal_means(each) for each in matrices]))


def _relative_matrix(
    experiment: Experiment, trained: Trained, steps: int, samples: int, model: int
) -> tuple[int, np.ndarray]:
    """Return the number of the first time step that is measured, and the matrix (T, T) of one model."""
    window = run_window(experiment, trained, steps, range(model, model + 1), samples)
    with one_thread(), torch.no_grad():
        grads = window.loss_grads()[:, 0].mT  # (T, B, H)
        relative = matrix_of_run(window.unroll, grads, relative=True)
    if experiment.truncate:  # no path from a loss to a state of its window leaves that window
        windows = np.arange(window.first, window.first + len(relative)) // experiment.truncate
        relative = np.where(windows[:, None] == windows, relative, 0)
    return window.first, relative


def diagonal_means(relative: np.ndarray) -> np.ndarray:
    """Return the geometric mean of each diagonal of a matrix (T, T) by distance, (T,), of what can be measured of it.

    It is the mean of logarithms, as a picture's colours are. What is zero, as where truncation cuts the gradient, is
    left out, unless all is.
    """
    means = np.zeros(len(relative))
    for k in range(len(relative)):
        diagonal = np.diagonal(relative, -k)
        there = diagonal[np.isfinite(diagonal) & (diagonal >= SMALLEST)]
        if len(there):
            means[k] = np.exp(np.log(there).mean())
        elif np.isnan(diagonal).any():
            means[k] = np.nan
    return means


def measure_updates(experiment: Experiment, trained: Trained = None) -> UpdateShares:
    """Measure what each distance adds to the gradient of the top layer's recurrent weights.

    The gradient is that of the last time step's loss, summed over the measuring sequences; of a large model there are
    fewer, as in previews. Itemised as in RNNbow (Cashman et al. 2018).

    Raises:
        ValueError, ModuleNotFoundError: where the task can't be built.
    """
    models, samples = preview_sizes(experiment)
    window = run_window(experiment, trained, None, range(models), samples)
    with one_thread(), torch.no_grad():
        window.unroll.backward(window.loss_grads()[-1], cuts=cuts(experiment.truncate, 0, window.unroll.T))
        return UpdateShares(update_shares(window.unroll))


@torch.inference_mode()
def update_shares(unroll: Unroll) -> np.ndarray:
    """Return each time step's share of the top layer's recurrent weights' gradient, by distance, (S, T).

    Step t adds G_t = Σ_b δ_t h_{t-1}ᵀ over sequences b; its share of G = Σ_t G_t is ⟨G_t, G⟩ / ‖G‖². NaN where G is
    zero or not finite.
    """
    layer = unroll.layers[-1]
    delta, before = layer.delta[:, :, layer.hidden_rows], layer.h[:-1]  # (T, S, R, B), (T, S, H, B)
    whole = torch.zeros(layer.S, delta.shape[2], layer.H, dtype=delta.dtype)
    for own, state in zip(delta, before, strict=True):
        whole += own @ state.mT
    size = whole.abs().amax((1, 2), keepdim=True)
    whole /= size  # squares would leave the range of floats
    along = ((whole.mT @ (delta / size)) * before).sum((2, 3))  # (T, S)
    return (along / whole.square().sum((1, 2))).T.flip(1).numpy()


def measure_exponents(experiment: Experiment, trained: Trained = None) -> Spectrum:
    """Measure the Lyapunov exponents of the models; of a large model the largest, of one seed, on few sequences.

    A sequence of more than 1,000 time steps is measured on its last ones. Exponents are of what the networks do, which
    truncated backpropagation doesn't change.

    Raises:
        ValueError, ModuleNotFoundError: where the task can't be built.
    """
    N = experiment.hidden_size * experiment.layers * (1 + (experiment.cell == "lstm"))
    T = min(experiment.task_length, LONGEST)
    count = max(1, min(N, int((SPECTRUM_WORK / (T * N)) ** 0.5)))
    runs = max(1, int(SPECTRUM_WORK / (T * N * count * count)))
    models = min(experiment.seeds, runs)
    window = run_window(experiment, trained, LONGEST, range(models), min(SEQUENCES, max(1, runs // models)))
    return exponents_of_run(window.unroll, count)


def measure_singular_values(experiment: Experiment, trained: Trained = None, model: int = 0) -> SingularValues:
    """Measure the singular values of the memory state's Jacobian by distance, in one model.

    A long sequence, or a large model, is measured on its last time steps and fewer distances and sequences. Distances
    end where truncated backpropagation cuts the gradient.

    Raises:
        ValueError, ModuleNotFoundError: where the task can't be built.
    """
    cube = experiment.hidden_size**3
    count = max(3, min(DISTANCES, int(SPECTRUM_WORK / 12 / cube)))
    cut = cut_distance(experiment.truncate, experiment.task_length)
    steps = min(cut or LONGEST, max(FEWEST_STEPS, min(LONGEST, experiment.task_length, int(SPECTRUM_WORK / 3 / cube))))
    samples = max(1, min(4, int(SPECTRUM_WORK / (steps + 4 * count) / cube)))
    window = run_window(experiment, trained, steps, range(model, model + 1), samples)
    T = window.unroll.T
    distance = np.unique(np.linspace(0, T - 1, min(T, count)).round().astype(int))
    return SingularValues(distance, singular_values_of_run(window.unroll, distance.tolist()), cut)


def _blocks(experiment: Experiment) -> int:
    """Return how many blocks of hidden units read the hidden state."""
    return max(1, len(GATES[experiment.cell]))
