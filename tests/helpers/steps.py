"""Cells of one's own, as steps for record_steps."""

import torch
from torch import nn

D, H, B, T = 3, 5, 4, 9


def draw(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def weights(*shape, seed=0):
    return (draw(*shape, seed=seed) / shape[-1] ** 0.5).requires_grad_()


def step_of(cell, module):
    """A module's cell as a step of one's own, with its gates."""
    W, U, b, v = module.parameters()

    def step(x, state):
        h = state if isinstance(state, torch.Tensor) else state[0]
        from_x, from_h = x @ W.T + b, h @ U.T + v
        if cell == "rnn":
            return (from_x + from_h).tanh()
        if cell == "lstm":
            i, f, g, o = (from_x + from_h).chunk(4, 1)
            i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
            c = f * state[1] + i * g
            return (o * c.tanh(), c), {"input": i, "forget": f, "candidate": g, "output": o}
        (r, z, n), (s, y, a) = from_x.chunk(3, 1), from_h.chunk(3, 1)
        r, z = (r + s).sigmoid(), (z + y).sigmoid()
        n = (n + r * a).tanh()
        return (1 - z) * n + z * h, {"reset": r, "update": z, "candidate": n}

    return step


def min_gru():
    """Feng et al. (2024): gates that read the input alone."""
    Z, V = weights(H, D), weights(H, D, seed=1)

    def step(x, h):
        z, n = (x @ Z.T).sigmoid(), x @ V.T
        return (1 - z) * h + z * n, {"update": 1 - z, "candidate": n}

    return step, torch.zeros(B, H, dtype=torch.float64), -1


def norm_lstm():
    """An LSTM with layer norm of its pre-activations and of its cell's output; Ba et al. (2016)."""
    W, U, norms = weights(4 * H, D), weights(4 * H, H, seed=1), [nn.LayerNorm(n).double() for n in (4 * H, H)]

    def step(x, state):
        h, c = state
        i, f, g, o = norms[0](x @ W.T + h @ U.T).chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * norms[1](c).tanh(), c

    return step, (torch.zeros(B, H, dtype=torch.float64),) * 2, -1


def ind_rnn():
    """Li et al. (2018): each unit reads itself alone."""
    W, u = weights(H, D), draw(H, seed=1).requires_grad_()
    return lambda x, h: (x @ W.T + u * h).tanh(), draw(B, H, seed=2), -1


def linear_recurrence(seed=1):
    """Orvieto et al. (2023), LRU: a diagonal complex memory, read by a real output."""
    W = torch.complex(weights(H, D), weights(H, D, seed=3))
    decay = torch.polar(0.5 + 0.5 * torch.rand(H, generator=torch.Generator().manual_seed(seed)), draw(H).float())
    C, decay = torch.complex(weights(2, H), weights(2, H, seed=4)), decay.to(torch.complex128)

    def step(x, state):
        h = decay * state[1] + x.to(W.dtype) @ W.T
        return (h @ C.T).real + 0.1 * x[:, :2], h

    return step, (torch.zeros(B, 2, dtype=torch.float64), torch.zeros(B, H, dtype=torch.complex128)), 1


CELLS = {"minGRU": min_gru, "layer norm": norm_lstm, "IndRNN": ind_rnn, "LRU": linear_recurrence}
