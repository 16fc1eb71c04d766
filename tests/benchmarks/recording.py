"""Recording is free: Goldfish beside `torch.nn` and the usual cell loop, on one thread of one process.

Prints milliseconds per model for one forward and backward pass with weight gradients:
torch, the fused `torch.nn` layer, recording nothing; usual, a cell loop with `retain_grad` on every state and the
gates kept; goldfish, S models at once, everything in `Tape`. The three take turns; each figure is a median.
Then `record_steps` on each cell written as a step, beside a plain loop over the same step with `retain_grad` on every
state, with weights that get gradients in the loop, and with frozen ones. Before it, the gradient matrix.
Then `record` of a bidirectional module and of packed sequences, as ratios to the same module of one direction on
unpacked ones: of both directions with its own loss, which reads one of them, and with a loss on every output (where a
second layer reads twice as many inputs, the matrix products alone are 2.7 times as many); packed lengths are drawn
from T/2 to T (against as many time steps in all, unpacked), from 1 to T, and one of T with all others of T/20 (both
against all of T).
"""

import argparse
import gc
import json
import multiprocessing
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, nn

from analysis import gradient_matrix, record, record_steps
from analysis.engine.unroll import Unroll
from tests.helpers.steps import step_of

MODULES = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
SIZES = ((32, 100, 64), (64, 50, 32), (32, 100, 128), (16, 500, 64))  # B, T, H
ENSEMBLES = (1, 4, 8)
D = 2
REPEATS = 15


def by_torch(cell: str, B: int, T: int, H: int) -> Callable[[], None]:
    module, inputs = MODULES[cell](D, H), torch.randn(T, B, D)

    def run() -> None:
        module.zero_grad()
        module(inputs)[0][-1].sum().backward()

    return run


def cell_loop(cell: str, weights: list[Tensor], inputs: Tensor, kept: list[Tensor]) -> list[Tensor]:
    """Run the textbook's step over time; return the memory state of each, keep gates and states."""
    W, U, b, v = weights
    h = c = inputs.new_zeros(inputs.shape[1], U.shape[1])
    memory = []
    for x in inputs:
        from_x, from_h = nn.functional.linear(x, W, b), nn.functional.linear(h, U, v)
        if cell == "rnn":
            h = torch.tanh(from_x + from_h)
            states = [h]
        elif cell == "lstm":
            i, f, g, o = (from_x + from_h).chunk(4, 1)
            i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
            c = f * c + i * g
            h = o * c.tanh()
            kept += [i, f, g, o]
            states = [c, h]
        else:
            (r, z, n), (s, y, a) = from_x.chunk(3, 1), from_h.chunk(3, 1)
            r, z = (r + s).sigmoid(), (z + y).sigmoid()
            n = torch.tanh(n + r * a)
            h = (1 - z) * n + z * h
            kept += [r, z, n]
            states = [h]
        for state in states:
            state.retain_grad()
        kept += states
        memory.append(states[0])
    return memory


def by_loop(cell: str, B: int, T: int, H: int) -> Callable[[], None]:
    weights, inputs = (
        [p.detach().clone().requires_grad_() for p in MODULES[cell](D, H).parameters()],
        torch.randn(T, B, D),
    )

    def run() -> None:
        kept: list[Tensor] = []
        for weight in weights:
            weight.grad = None
        cell_loop(cell, weights, inputs, kept)
        kept[-1].sum().backward()  # the last hidden state

    return run


def by_goldfish(cell: str, B: int, T: int, H: int, S: int) -> Callable[[], None]:
    models = [dict(MODULES[cell](D, H).named_parameters()) for _ in range(S)]
    weights = {name: torch.stack([model[name].detach() for model in models]) for name in models[0]}
    unroll, inputs, last = Unroll(cell, "tanh", weights, T, B), torch.randn(T, B, D), torch.ones(S, H, B)

    def run() -> None:
        unroll.load(weights)
        unroll.start()
        unroll.forward(inputs)
        unroll.backward(last, by_weights=True)
        unroll.tape()
        unroll.weight_grads()

    return run


def in_turns(runs: list[Callable[[], object]], repeats: int = REPEATS) -> list[float]:
    """Return the median milliseconds of each, taken in turns after a warm-up."""
    for run in runs * 3:
        run()
    gc.disable()
    taken: list[list[float]] = [[] for _ in runs]
    for _ in range(repeats):
        for run, found in zip(runs, taken, strict=True):
            started = time.perf_counter()
            run()
            found.append(1e3 * (time.perf_counter() - started))
    gc.enable()
    return [median(found) for found in taken]


def measure(cell: str, S: int, B: int, T: int, H: int) -> dict[str, float | str]:
    runs = [by_torch(cell, B, T, H), by_loop(cell, B, T, H), by_goldfish(cell, B, T, H, S)]
    torch_ms, usual_ms, goldfish_ms = in_turns(runs)
    goldfish_ms /= S
    return {
        "cell": cell, "S": S, "B": B, "T": T, "H": H,
        "torch_ms": torch_ms, "usual_ms": usual_ms, "goldfish_ms": goldfish_ms,
        "ratio_torch": goldfish_ms / torch_ms, "ratio_usual": goldfish_ms / usual_ms,
    }  # fmt: skip


def by_step(cell: str, B: int, T: int, H: int, frozen: bool) -> list[Callable[[], object]]:
    """The same step in a plain loop with `retain_grad` on every state, and in `record_steps`."""
    module, inputs = MODULES[cell](D, H).requires_grad_(not frozen), torch.randn(T, B, D)
    step, start = step_of(cell, module), torch.zeros(B, H)

    def loop() -> None:
        module.zero_grad()
        leaf = inputs.clone().requires_grad_()
        state, kept = (start, start) if cell == "lstm" else start, []
        for x in leaf:
            returned = step(x, state)
            state, gates = returned if isinstance(returned, tuple) else (returned, {})
            parts = state if cell == "lstm" else (state,)
            for part in parts:
                part.retain_grad()
            kept.append((parts, gates))
        parts[0].sum().backward()

    state = (start, start) if cell == "lstm" else start
    return [loop, lambda: record_steps(step, inputs, state, lambda output: output[-1].sum())]


def ratios(cell: str, B: int, T: int, H: int, layers: int) -> list[float]:
    """What a bidirectional module and packed sequences take, as the table's columns."""
    inputs, generator = torch.randn(T, B, D), torch.Generator().manual_seed(0)
    one, both = MODULES[cell](D, H, layers), MODULES[cell](D, H, layers, bidirectional=True)
    like, any_lengths = (torch.randint(low, T + 1, (B,), generator=generator) for low in (T // 2, 1))
    alone = torch.full((B,), T // 20)
    for lengths in (like, any_lengths, alone):
        lengths[0] = T
    batches = [nn.utils.rnn.pack_padded_sequence(inputs, lengths, enforce_sorted=False)
               for lengths in (like, any_lengths, alone)]  # fmt: skip
    every = [(module, inputs, lambda output: output.square().sum()) for module in (one, both)]
    runs = [(one, inputs), (both, inputs), (one, inputs[: round(like.float().mean().item())]),
            *((one, batch) for batch in batches), *every]  # fmt: skip
    plain, twice, same, *packed, plain_every, twice_every = in_turns([lambda run=run: record(*run) for run in runs])
    return [twice / plain, twice_every / plain_every, packed[0] / same, packed[1] / plain, packed[2] / plain]


def by_calls(cell: str, module: nn.Module, inputs: Tensor) -> Callable[[], None]:
    """The gradient matrix in the usual way: a cell loop, and one `torch.autograd.grad` for each step's loss."""
    weights = [p.detach().clone() for p in module.parameters()]

    def run() -> None:
        leaf = inputs.clone().requires_grad_()
        kept: list[Tensor] = []
        memory = cell_loop(cell, weights, leaf, kept)
        per_step = len(kept) // len(memory)
        for t in range(len(memory)):
            loss = kept[(t + 1) * per_step - 1].sum()
            torch.autograd.grad(loss, memory[: t + 1], retain_graph=True)

    return run


def by_products(cell: str, B: int, T: int, H: int) -> Callable[[], None]:
    """The products alone that take every loss back through every step: the least that a gradient matrix takes."""
    width = 2 * H if cell == "lstm" else H
    grads, jacobians = torch.randn(B, T, width).double(), torch.randn(B, width, H).double()
    columns, weight = torch.randn(H, T, B).double(), torch.randn(H, H).double()

    def run() -> None:
        for count in range(1, T):
            if cell == "rnn":  # samples share the weights
                torch.mm(weight, columns[:, -count:].flatten(1))
            else:
                torch.bmm(grads[:, -count:], jacobians)

    return run


def peak(make: Callable[..., Callable[[], None]], size: tuple, pipe: Connection) -> None:
    """Send the MiB that three runs need at their peak beyond what the process has before (Linux)."""
    torch.set_num_threads(1)
    make(size[0], 2, 3, 4, *size[4:])()  # whatever the first run loads
    Path("/proc/self/clear_refs").write_text("5")  # start the peak from here
    before = _peak_mib()
    run = make(*size)
    for _ in range(3):
        run()
    pipe.send(_peak_mib() - before)


def _peak_mib() -> float:
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


def peaks(cell: str, B: int, T: int, H: int) -> list[float]:
    """Return the peak MiB of the three ways, each in a process of its own."""
    context, found = multiprocessing.get_context("spawn"), []
    for make, size in ((by_torch, ()), (by_loop, ()), (by_goldfish, (1,))):
        ours, theirs = context.Pipe()
        process = context.Process(target=peak, args=(make, (cell, B, T, H, *size), theirs))
        process.start()
        found.append(ours.recv())
        process.join()
    return found


def print_matrices() -> None:
    """Print how much faster a gradient matrix is than a backward pass for each loss, and how much it could be."""
    print("\ngradient matrix, T = 100, B = 16, H = 64: T calls of torch.autograd.grad against one sweep")
    for cell, module in MODULES.items():
        layer, inputs = module(D, 64).double(), torch.randn(100, 16, D, dtype=torch.float64)
        sweep = partial(gradient_matrix, layer, inputs)
        calls, ours, least = in_turns([by_calls(cell, layer, inputs), sweep, by_products(cell, 16, 100, 64)], 5)
        faster = f"{calls / ours:5.1f} times faster; products alone {least:4.0f} ms, so {calls / least:4.1f} at most"
        print(f"{cell:6}{calls:10.0f} ms{ours:8.0f} ms   {faster}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows of the first table here too")
    parser.add_argument("--quick", action="store_true", help="the first size alone")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    sizes = SIZES[:1] if options.quick else SIZES

    print(f"{'cell':6}{'S':>3}{'B':>5}{'T':>5}{'H':>5}{'torch ms':>10}{'usual ms':>10}{'goldfish':>10}"
          f"{'/ torch':>9}{'/ usual':>9}")  # fmt: skip
    rows = []
    for B, T, H in sizes:
        for cell in MODULES:
            for S in ENSEMBLES:
                row = measure(cell, S, B, T, H)
                rows.append(row)
                times = "".join(f"{row[name]:10.2f}" for name in ("torch_ms", "usual_ms", "goldfish_ms"))
                both = f"{row['ratio_torch']:9.2f}{row['ratio_usual']:9.2f}"
                print(f"{cell:6}{S:3}{B:5}{T:5}{H:5}{times}{both}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))

    print_matrices()

    print("\na cell of one's own, S = 1: plain loop ms, record_steps ms, ratio; then with frozen weights")
    for B, T, H in sizes:
        for cell in MODULES:
            pairs = [in_turns(by_step(cell, B, T, H, frozen)) for frozen in (False, True)]
            times = "".join(f"{loop:10.2f}{ours:10.2f}{ours / loop:9.2f}" for loop, ours in pairs)
            print(f"{cell:6}{B:5}{T:5}{H:5}{times}", flush=True)

    print("\nboth directions / one; with a loss on every output; "
          "packed, lengths T/2 to T / same work; 1 to T / all T; one T, others T/20 / all T")  # fmt: skip
    for B, T, H in sizes:
        for cell in MODULES:
            for layers in (1, 2):
                found = "".join(f"{ratio:9.2f}" for ratio in ratios(cell, B, T, H, layers))
                print(f"{cell:6}{B:5}{T:5}{H:5} L ={layers}{found}", flush=True)

    print("\npeak memory, MiB beyond the imports, B = 32, H = 64, S = 1: torch, usual, goldfish")
    for T in (500, 1000):
        for cell in MODULES:
            print(f"{cell:6}T ={T:5}" + "".join(f"{value:8.0f}" for value in peaks(cell, 32, T, 64)), flush=True)


if __name__ == "__main__":
    main()
