"""A recurrent module step by step, sample by sample, by autograd: what `record` must find."""

import numpy as np
import torch
from torch import nn

LINEAR = nn.functional.linear


def cell_step(module, name, x, h, c):
    """One step of a layer's direction, by torch's formulas; returns the new (h, c) and its gates."""
    W, U = (getattr(module, f"weight_{part}_{name}").double() for part in ("ih", "hh"))
    b, v = (getattr(module, f"bias_{part}_{name}").double() if module.bias else None for part in ("ih", "hh"))
    from_x, from_h = LINEAR(x, W, b), LINEAR(h, U, v)
    if isinstance(module, nn.RNN):
        return (torch.relu if module.nonlinearity == "relu" else torch.tanh)(from_x + from_h), c, {}
    if isinstance(module, nn.GRU):
        (r, z, n), (s, y, a) = from_x.chunk(3), from_h.chunk(3)
        r, z = (r + s).sigmoid(), (z + y).sigmoid()
        n = torch.tanh(n + r * a)
        return (1 - z) * n + z * h, c, {"reset": r, "update": z, "candidate": n}
    i, f, g, o = (from_x + from_h).chunk(4)
    i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
    c = f * c + i * g
    h = o * c.tanh()
    if module.proj_size:
        h = LINEAR(h, getattr(module, f"weight_hr_{name}").double())
    return h, c, {"input": i, "forget": f, "candidate": g, "output": o}


def by_loop(module, x, loss, *, state=None, lengths=None, resets=None, direction="forward"):
    """The arrays of a tape, (L, T, B, H) and (T, B, D), by autograd; NaN after a sample's last step.

    x is (T, B, D); the loss takes the output (T, B, ·), zero in padding; state is (h0, c0) or (h0,).
    """
    T, B, _ = x.shape
    lengths = [T] * B if lengths is None else [int(n) for n in lengths]
    resets = torch.zeros(T, B, dtype=torch.bool) if resets is None else resets
    x = x.clone().requires_grad_()
    read = [[x[t, b] for t in range(lengths[b])] for b in range(B)]
    kept = []  # by layer: by sample and time step, (h, c, gates)
    for k in range(module.num_layers):
        sides = [
            [side_by_loop(module, k, d, read[b], state, b, resets[:, b]) for b in range(B)]
            for d in range(1 + module.bidirectional)
        ]
        read = [[torch.cat([side[b][t][0] for side in sides]) for t in range(lengths[b])] for b in range(B)]
        kept.append(sides[direction == "backward"])
    padding = torch.zeros_like(read[0][0])
    output = torch.stack([torch.stack([(own + [padding] * T)[t] for own in read]) for t in range(T)])
    loss(output).sum().backward()

    def ordered(value):
        """Order value(state of a step, its input's gradient) as (L, T, B, ·), as `direction` reads."""
        found = np.full((len(kept), T, B, len(value(kept[0][0][0], x[0, 0]))), np.nan)
        for k, b in np.ndindex(len(kept), B):
            own = [value(part, x.grad[t, b]).detach().numpy() for t, part in enumerate(kept[k][b])]
            found[k, : lengths[b], b] = own[:: -1 if direction == "backward" else 1]
        return found

    def grad(part):
        return torch.zeros_like(part) if part.grad is None else part.grad

    found = {
        "hidden": ordered(lambda step, _: step[0]),
        "hidden_grad": ordered(lambda step, _: grad(step[0])),
        "input_grad": ordered(lambda _, by_input: by_input)[0],
    }
    if isinstance(module, nn.LSTM):
        found |= {"cell": ordered(lambda step, _: step[1]), "cell_grad": ordered(lambda step, _: grad(step[1]))}
    return found | {gate: ordered(lambda step, _, gate=gate: step[2][gate]) for gate in kept[0][0][0][2]}


def side_by_loop(module, layer, d, read, state, b, resets):
    """(h, c, gates) of each time step of one sample, in the order of time, of one direction of a layer."""
    at = layer * (1 + module.bidirectional) + d
    h = read[0].new_zeros(module.proj_size or module.hidden_size) if state is None else state[0][at, b]
    c = read[0].new_zeros(module.hidden_size) if state is None or len(state) == 1 else state[1][at, b]
    steps = [None] * len(read)
    for t in range(len(read))[:: -1 if d else 1]:
        if (t + 1 < len(read) and resets[t + 1]) if d else resets[t]:
            h, c = torch.zeros_like(h), torch.zeros_like(c)
        h, c, gates = cell_step(module, f"l{layer}{'_reverse' * d}", read[t], h, c)
        for part in (h, c):
            if part.requires_grad:
                part.retain_grad()
        steps[t] = (h, c, gates)
    return steps


def agree(tape, wanted, s=0):
    """A tape's arrays are these, to 1e-9 of the largest."""
    for name, array in wanted.items():
        found = tape.gates[name][s] if name in tape.gates else getattr(tape, name)[s]
        assert found.shape == array.shape, name
        np.testing.assert_array_equal(np.isnan(found), np.isnan(array), err_msg=name)
        np.testing.assert_allclose(found, array, rtol=0, atol=1e-9 * np.nanmax(np.abs(array)), err_msg=name)
