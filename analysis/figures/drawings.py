"""Where each part of a cell stands on its drawing, and what it is called."""

from dataclasses import dataclass, field

from analysis.experiment import PART_SYMBOLS
from analysis.language import mark
from analysis.language import translate as _

PATCH, BOX = (9.0, 5.4), (13.2, 8.6)  # width and height, on a canvas of 100 by about 60
LEFT_END, RIGHT_END = 4, 96  # x of the patches at both ends of a flow
Point = tuple[float, float]

NAMES = {  # of each part, where the pointer is on it
    "embedded": mark("the word as numbers, x"), "hidden_before": mark("hidden state before, h₋"),
    "hidden": mark("hidden state, h"), "cell_before": mark("cell state before, c₋"), "cell": mark("cell state, c"),
    "forget": mark("forget gate, f"), "input": mark("input gate, i"), "candidate": mark("proposal, {candidate}"),
    "output": mark("output gate, o"), "reset": mark("reset gate, r"), "update": mark("update gate, z"),
    "squashed": mark("the cell state through tanh, tanh(c)"), "kept": mark("what is kept, {kept}"),
    "stored": mark("what is stored, {stored}"), "recalled": mark("what is recalled, r × (U h₋ + b)"),
    "from_word": mark("what comes from the word, W x"), "from_memory": mark("what comes from the memory, U h₋"),
    "bias": mark("the bias, b"), "sum": mark("the sum, W x + U h₋ + b"),
}  # fmt: skip
FORMULAS = {  # of the parts that each cell computes in its own way
    "lstm": {"candidate": "g", "kept": "f × c₋", "stored": "i × g"},
    "gru": {"candidate": "n", "kept": "z × h₋", "stored": "(1 − z) × n"},
    "rnn": {},
}
GATE_NAMES = {
    "forget": mark("forget"), "input": mark("input"), "candidate": mark("proposal"), "output": mark("output"),
    "reset": mark("reset"), "update": mark("update"),
}  # fmt: skip
BEFORE = '<sub><span style="font-size:12px">t−1</span></sub>'
SYMBOLS = {  # beside the patches
    name: f"<i>{symbol.removesuffix('₋')}</i>{BEFORE if symbol.endswith('₋') else ''}"
    for name, symbol in PART_SYMBOLS.items()
} | {"from_word": "<i>W x</i>", "from_memory": f"<i>U h</i>{BEFORE}", "bias": "<i>b</i>"}
WORDS = {"kept": mark("kept"), "stored": mark("stored"), "recalled": mark("recalled"), "sum": mark("sum")}
# The parts on one colour scale. What isn't listed is a sum or a word's numbers, which nothing bounds.
GATES = ("forget", "input", "output", "reset", "update")
CELL_STATES = ("cell_before", "cell", "kept", "stored")
HIDDEN_STATES = ("hidden_before", "hidden", "candidate", "kept", "stored")


@dataclass(frozen=True)
class Drawing:
    """A cell on the canvas: wires with an arrow at their end, boxes, signs in circles, and a patch per vector."""

    flows: tuple[tuple[Point, ...], ...]  # wires that carry the memory on, drawn thick
    loops: tuple[tuple[Point, ...], ...]  # wires that bring what is handed on back to where it enters
    wires: tuple[tuple[Point, ...], ...]
    boxes: dict[str, Point]  # by the part they make
    signs: tuple[tuple[str, float, float], ...]
    patches: dict[str, Point]  # by part
    frame: tuple[float, float, float, float]  # the cell's outline: x0, y0, x1, y1
    notes: tuple[tuple[str, float, float], ...]
    top: float
    below: dict[str, float] = field(default_factory=dict)  # patches whose name stands below them, with its x


LSTM = Drawing(
    flows=(((8, 52), (91.5, 52)),),
    loops=(((100.5, 52), (102.5, 52), (102.5, 61), (-2.5, 61), (-2.5, 52), (-0.8, 52)),
           ((100.5, 11), (102.5, 11), (102.5, 61), (-2.5, 61), (-2.5, 11), (-0.8, 11))),
    wires=(
        ((8, 11), (70, 11), (70, 16.9)),
        ((15, 2), (15, 11)),
        ((26, 11), (26, 16.9)), ((26, 24), (26, 49.8)),
        ((40, 11), (40, 16.9)), ((40, 24), (40, 39), (52.5, 39)),
        ((54, 11), (54, 16.9)), ((54, 24), (54, 36.8)),
        ((54, 41), (54, 49.8)),
        ((70, 24), (70, 37), (82.5, 37)),
        ((84, 52), (84, 48)), ((84, 41), (84, 39.2)),
        ((84, 35), (84, 11), (91.5, 11)),
        ((96, 9), (96, 3)),
    ),
    boxes={"forget": (26, 21), "input": (40, 21), "candidate": (54, 21), "output": (70, 21), "squashed": (84, 44.5)},
    signs=(("×", 26, 52), ("×", 54, 39), ("+", 54, 52), ("×", 84, 37)),
    patches={
        "cell_before": (4, 52), "hidden_before": (4, 11), "embedded": (15, 0),
        "forget": (26, 30), "input": (40, 30), "candidate": (54, 30), "output": (70, 30),
        "kept": (40, 52), "stored": (54, 45), "cell": (96, 52), "hidden": (96, 11),
    },
    frame=(10, 5, 91, 57),
    notes=((mark("cell state: long memory"), 73.5, 55), (mark("hidden state: what is passed on now"), 48, 8)),
    top=61,
    below={"kept": 40},
)  # fmt: skip
GRU = Drawing(
    flows=(((8, 52), (91.5, 52)),),
    loops=(((100.5, 52), (102.5, 52), (102.5, 61), (-2.5, 61), (-2.5, 52), (-0.8, 52)),),
    wires=(
        ((12, 52), (12, 15), (56, 15), (56, 16.9)),
        ((12, 39), (24.5, 39)),
        ((17, 2), (17, 15)), ((17, 8.5), (76, 8.5), (76, 16.9)),
        ((26, 15), (26, 16.9)), ((26, 24), (26, 36.8)),
        ((26, 39), (40, 39), (40, 9.5)),
        ((56, 24), (56, 49.8)),
        ((56, 39), (62.5, 39)), ((64, 39), (74.5, 39)),
        ((76, 24), (76, 36.8)),
        ((76, 41), (76, 49.8)),
        ((96, 50), (96, 3)),
    ),
    boxes={"reset": (26, 21), "update": (56, 21), "candidate": (76, 21)},
    signs=(("×", 26, 39), ("×", 56, 52), ("1−", 64, 39), ("×", 76, 39), ("+", 76, 52)),
    patches={
        "hidden_before": (4, 52), "embedded": (17, 0), "reset": (26, 30), "update": (56, 30), "candidate": (76, 30),
        "recalled": (40, 33), "kept": (66, 52), "stored": (76, 45), "hidden": (96, 52),
    },
    frame=(10, 5, 91, 57),
    notes=((mark("hidden state: all memory"), 29, 55), ("1 − <i>z</i>", 70, 36.8)),
    top=61,
    below={"kept": 66, "recalled": 44.6},
)  # fmt: skip
RNN = Drawing(
    flows=(((8, 30), (13.6, 30)), ((26, 30), (31, 30)), ((41, 30), (48, 30)), ((52, 30), (72.6, 30)),
           ((85, 30), (91.5, 30))),
    loops=(((100.5, 30), (102.5, 30), (102.5, 61), (-2.5, 61), (-2.5, 30), (-0.8, 30)),),
    wires=(((50, 2), (50, 5)), ((50, 12.6), (50, 16)), ((50, 21.5), (50, 27.8)), ((50, 40), (50, 32.2)),
           ((96, 27), (96, 3))),
    boxes={"from_memory": (20, 30), "from_word": (50, 9), "hidden": (79, 30)},
    signs=(("+", 50, 30),),
    patches={
        "hidden_before": (4, 30), "embedded": (50, -1), "from_memory": (36, 30), "from_word": (50, 18.7),
        "bias": (50, 43), "sum": (63, 30), "hidden": (96, 30),
    },
    frame=(10, 4, 91, 54),
    notes=((mark("hidden state: all memory, made anew at every word"), 50, 51.5),),
    top=61,
    below={"from_memory": 36, "sum": 63},
)  # fmt: skip
DRAWINGS = {"rnn": RNN, "lstm": LSTM, "gru": GRU}


def name_of(part: str, cell: str) -> str:
    """Return what a part of a cell is called, with its symbol or formula."""
    return _(NAMES[part]).format(**FORMULAS[cell])


def symbol_of(part: str, cell: str) -> str:
    """Return what stands beside a part's patch."""
    if (part, cell) == ("candidate", "gru"):
        return "<i>n</i>"
    return SYMBOLS[part] if part in SYMBOLS else _(WORDS[part])


def scale_of(part: str, cell: str) -> str:
    """Return the colour scale on which a part is drawn: "gates", "cell", "hidden" or "sums"."""
    if part in GATES:
        return "gates"
    if cell == "lstm" and part in CELL_STATES:
        return "cell"
    return "hidden" if part in HIDDEN_STATES else "sums"
