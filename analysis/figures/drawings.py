"""Where each part of a cell stands on its drawing, and what it is called."""

from dataclasses import dataclass, field

from analysis.experiment import PART_SYMBOLS
from analysis.language import mark
from analysis.language import translate as _

PATCH, BOX = (9.0, 5.4), (14.6, 10)  # width and height, on a canvas of 100 by about 60
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
    loops=(((100.5, 52), (103, 52), (103, 61), (-3, 61), (-3, 52), (-0.5, 52)),
           ((100.5, 11), (103, 11), (103, 61), (-3, 61), (-3, 11), (-0.5, 11))),
    wires=(
        ((8, 11), (69, 11), (69, 16)),
        ((13.5, 2.7), (13.5, 11)),
        ((21, 11), (21, 16)), ((21, 26), (21, 52)),
        ((37, 11), (37, 16)), ((37, 26), (37, 39), (53, 39)),
        ((53, 11), (53, 16)), ((53, 26), (53, 39)),
        ((53, 39), (53, 52)),
        ((69, 26), (69, 36), (83, 36)),
        ((83, 52), (83, 50)), ((83, 40), (83, 36)),
        ((83, 36), (83, 11), (91.5, 11)),
        ((96, 8.3), (96, 3)),
    ),
    boxes={"forget": (21, 21), "input": (37, 21), "candidate": (53, 21), "output": (69, 21), "squashed": (83, 45)},
    signs=(("×", 21, 52), ("×", 53, 39), ("+", 53, 52), ("×", 83, 36)),
    patches={
        "cell_before": (4, 52), "hidden_before": (4, 11), "embedded": (13.5, 0),
        "forget": (21, 30), "input": (37, 30), "candidate": (53, 30), "output": (69, 30),
        "kept": (37, 52), "stored": (53, 45.5), "cell": (96, 52), "hidden": (96, 11),
    },
    frame=(10, 5, 91, 57),
    notes=((mark("cell state: long memory"), 72, 55), (mark("hidden state: what is passed on now"), 48, 8)),
    top=61,
    below={"kept": 37},
)  # fmt: skip
GRU = Drawing(
    flows=(((8, 52), (91.5, 52)),),
    loops=(((100.5, 52), (103, 52), (103, 61), (-3, 61), (-3, 52), (-0.5, 52)),),
    wires=(
        ((12, 52), (12, 12.5), (55, 12.5), (55, 16)),
        ((12, 39), (23, 39)),
        ((17, 2.7), (17, 12.5)), ((17, 7.5), (76, 7.5), (76, 16)),
        ((23, 12.5), (23, 16)), ((23, 26), (23, 39)),
        ((23, 39), (37, 39), (37, 7.5)),
        ((55, 26), (55, 52)),
        ((55, 39), (65, 39)), ((65, 39), (76, 39)),
        ((76, 26), (76, 39)),
        ((76, 39), (76, 52)),
        ((96, 49.3), (96, 3)),
    ),
    boxes={"reset": (23, 21), "update": (55, 21), "candidate": (76, 21)},
    signs=(("×", 23, 39), ("×", 55, 52), ("1−", 65, 39), ("×", 76, 39), ("+", 76, 52)),
    patches={
        "hidden_before": (4, 52), "embedded": (17, 0), "reset": (23, 30), "update": (55, 30), "candidate": (76, 30),
        "recalled": (37, 34), "kept": (65, 52), "stored": (76, 45.5), "hidden": (96, 52),
    },
    frame=(10, 5, 91, 57),
    notes=((mark("hidden state: all memory"), 29, 55), ("1 − <i>z</i>", 70.5, 36.5)),
    top=61,
    below={"kept": 65, "recalled": 37.8},
)  # fmt: skip
RNN = Drawing(
    flows=(((8, 30), (12.7, 30)), ((27.3, 30), (31.5, 30)), ((40.5, 30), (50, 30)), ((50, 30), (71.7, 30)),
           ((86.3, 30), (91.5, 30))),
    loops=(((100.5, 30), (103, 30), (103, 61), (-3, 61), (-3, 30), (-0.5, 30)),),
    wires=(((50, 1.7), (50, 5)), ((50, 15), (50, 16.8)), ((50, 22.2), (50, 30)), ((50, 40.3), (50, 30)),
           ((96, 27.3), (96, -3))),
    boxes={"from_memory": (20, 30), "from_word": (50, 10), "hidden": (79, 30)},
    signs=(("+", 50, 30),),
    patches={
        "hidden_before": (4, 30), "embedded": (50, -1), "from_memory": (36, 30), "from_word": (50, 19.5),
        "bias": (50, 43), "sum": (63, 30), "hidden": (96, 30),
    },
    frame=(10, 4, 91, 54),
    notes=((mark("h: all memory, made from the old at each word"), 50, 51.5),),
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
