"""One step of torch's optimizers, through the functions that their classes call, with the classes' defaults.

Creating an object of these classes would import torch's compiler, which takes longer than a short training.
"""

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.rmsprop import rmsprop
from torch.optim.sgd import sgd

STATE = {"adam": ("step", "exp_avg", "exp_avg_sq"), "sgd": (), "rmsprop": ("step", "square_avg")}


def initial_state(name: str, weights: Tensor) -> dict[str, Tensor]:
    """Return an optimizer's state before its first step: a count of steps, and averages of the weights' shape."""
    return {part: torch.zeros(()) if part == "step" else torch.zeros_like(weights) for part in STATE[name]}


def step(name: str, weights: Tensor, grad: Tensor, lr: float, state: dict[str, Tensor]) -> None:
    """Take one step with gradients of the weights' shape; weights and state are changed in place."""
    parts = [[state[part]] for part in STATE[name]]
    if name == "adam":
        steps, means, squares = parts
        adam(
            [weights], [grad], means, squares, [], steps,
            amsgrad=False, beta1=0.9, beta2=0.999, lr=lr, weight_decay=0.0, eps=1e-8, maximize=False,
        )  # fmt: skip
    elif name == "rmsprop":
        steps, squares = parts
        rmsprop(
            [weights], [grad], squares, [], [], steps,
            lr=lr, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0, centered=False,
        )  # fmt: skip
    else:
        sgd(
            [weights], [grad], [None],
            weight_decay=0.0, momentum=0.0, lr=lr, dampening=0.0, nesterov=False, maximize=False,
        )  # fmt: skip
