"""A cell's drawing beside the explanation of one of its parts: the one that was clicked, or chosen in a row."""

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from functools import partial

import plotly.graph_objects as go
import streamlit as st

from analysis.figures.cell import cell as draw_cell
from analysis.figures.drawings import GATE_NAMES
from analysis.figures.held import held as draw_held
from analysis.figures.parts import VIEWS, part
from analysis.language import join_sentences
from analysis.language import translate as _
from analysis.lesson.arithmetic import lines_of_unit
from analysis.lesson.held import HELD_GATES
from analysis.reading import Held, Reading
from analysis.report.sentences.cell import held_sentences
from analysis.report.sentences.parts import part_sentence
from analysis.report.tables import Tables, held_csv
from pages.ui import cell, layout, lesson, player, session

CLICKED = {  # of each cell, the view that explains a part which has none of its own
    "lstm": {
        "embedded": "input", "hidden_before": "hidden", "cell_before": "cell", "candidate": "input", "kept": "forget",
        "stored": "input", "squashed": "output",
    },
    "gru": {"embedded": "candidate", "hidden_before": "hidden", "recalled": "reset", "kept": "update",
            "stored": "candidate"},
    "rnn": {},
}  # fmt: skip
BY_UNIT = ("output",)  # views that show one unit
LINES = {"input": ("input", "candidate"), "output": ("output", "hidden"), "candidate": ("candidate", "hidden")}


@dataclass
class Explained:
    """What is read, and what of it a download holds."""

    subject: str  # says of which model and which words the reading is
    reading: Reading
    readable: bool  # whether the model knows most of the words
    trained: bool  # whether the model is
    held: Callable[[str], Callable[[float | None], Held]]  # by gate, as `cell.held_reader` returns it
    read_held: Callable[[str, float], Reading]  # the same words with a gate held at a value
    below: Callable[[Reading, str, int], None]  # draws what stands below the slider over words, of a part at a word
    track: player.Track | None = None  # over words; None starts in mid sentence
    unit: int | None = None  # the unit that is written out; None lets the reader choose it where a view shows one
    pictures: MutableMapping[str, go.Figure] = field(default_factory=dict)
    tables: Tables = field(default_factory=dict)


def show_word(explained: Explained, height: int) -> int:
    """Draw the row of parts, the cell at one word, what chooses the word, and the chosen part; return the word."""
    reading = explained.reading
    left, right = st.columns([1.75, 1], gap="small")
    with left:
        place = st.container()
        word = player.draw_track(explained.track or cell.word_track(reading.words))
        view = choose(reading.cell)
        below = st.container()
    drawn, held = reading, None
    with right.container(key="part", gap="xsmall"):  # before the drawing, which takes longer: eyes are here
        value = _choose_held(explained, view)
        if value is None:
            _explain(explained, view, word)
        else:
            _show_held(explained, view, value)
    if value is not None:
        drawn = explained.read_held(view, value)
        held = _("{gate} gate held at {value}").format(gate=_(GATE_NAMES[view]), value=f"{value:g}")
    drawing = layout.kept(
        f"cell {explained.subject} {held} {word} {view} {height}",
        lambda: draw_cell(drawn, word, chosen=view, on_loop=held, height=height),
    )
    explained.pictures["cell"] = drawing
    with place:
        alt = _("The {cell} and its numbers at one word").format(cell=reading.cell.upper())
        layout.chart(drawing, "cell", alt, moves=True, on_pick=partial(_pick, reading.cell))
    with below:
        explained.below(drawn, view, word)
    return word


def choose(of: str) -> str:
    """Ask which part of a cell is explained."""
    if len(VIEWS[of]) == 1:
        return VIEWS[of][0]
    return st.segmented_control(
        _("Explained"), VIEWS[of], default=VIEWS[of][0], required=True, key=session.part(of).name,
        format_func=lambda view: _(lesson.VIEWS[view]), bind="query-params", label_visibility="collapsed",
        help=_("Which part of the drawing is explained; a click on it does the same."),
    )  # fmt: skip


def _pick(of: str, clicked: str) -> None:
    """Explain the part of the drawing that was clicked."""
    if len(VIEWS[of]) > 1:
        session.part(of).set(view_of(of, clicked))


def view_of(of: str, clicked: str) -> str:
    """Return the view that explains a part of a cell's drawing."""
    return CLICKED[of].get(clicked, clicked)


def _choose_held(explained: Explained, view: str) -> float | None:
    """Name a part and, where it is a gate, ask for a value to hold it at; None where it is not held."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{_(lesson.VIEWS[view])}**", width="content")
        may_hold = explained.readable and view in HELD_GATES.get(explained.reading.cell, ())
        holds = may_hold and st.toggle(_("hold this gate"), key="hold", bind="query-params", help=_(lesson.HELD))
    if not holds:
        return None
    value = st.slider(
        _("Held at"), 0.0, 1.0, 0.9, 0.05, key="held_at", bind="query-params", label_visibility="collapsed"
    )
    return round(value, 2)  # 3 × 0.05 is 0.15000000000000002


def _explain(explained: Explained, view: str, word: int) -> None:
    """Explain a part: its formula, this word's numbers in it, what it decides, and a picture."""
    reading = explained.reading
    explained.pictures.pop("held", None)
    explained.tables.pop("held", None)
    unit = explained.unit
    if unit is None:
        unit = choose_unit(reading) if view in BY_UNIT else (session.UNIT.get() or 1) - 1
    st.latex(lesson.FORMULAS[reading.cell, view])
    wanted = LINES.get(view, (view,))
    numbers = [str(line) for line in lines_of_unit(reading, word, unit) if line.part in wanted]
    if view not in BY_UNIT:
        numbers[0] = f"{_('unit {unit}').format(unit=unit + 1)}: {numbers[0]}"
    st.code("\n".join(numbers), language=None, wrap_lines=True)
    terms = _(lesson.THREE_TERMS) if len(numbers) == 1 and "σ(" in numbers[0] else ""
    st.caption(join_sentences(_(lesson.MEANINGS[reading.cell, view]), terms))
    if explained.readable:
        st.markdown(part_sentence(reading, view, word, unit))
    subject = f"part {explained.subject} {view} {word} {unit}"
    explained.pictures["part"] = layout.kept(subject, lambda: part(reading, view, word, unit))
    # A chart of its own for each view: a taller one of another view would keep its room below this one.
    layout.chart(explained.pictures["part"], f"part-{view}", _(lesson.VIEWS[view]), moves=True)


def choose_unit(reading: Reading) -> int:
    """Ask for a unit, which people count from 1; return its place from 0."""
    last = reading.parts["hidden"].shape[1]
    with st.container(horizontal=True, vertical_alignment="center"):
        counted = _("Which number of the state is written out: from 1 on, in downloads from 0.")
        st.markdown(_("Unit"), width="content", help=counted)
        name = session.UNIT.name
        return st.number_input(_("Unit"), 1, last, key=name, width=140, label_visibility="collapsed") - 1


def _show_held(explained: Explained, gate: str, value: float) -> None:
    """Draw and say what follows from a gate that is held at a value, beside the gate as it is."""
    read = explained.held(gate)
    as_it_is, held = read(None), read(value)
    subject = f"held {gate} {value} {explained.subject}"
    explained.pictures.pop("part", None)
    explained.pictures["held"] = layout.kept(subject, lambda: draw_held(as_it_is, held))
    explained.tables["held"] = partial(held_csv, as_it_is, held)
    alt = _("Memory by word and gradient by distance, with the gate held and as it is")
    layout.chart(explained.pictures["held"], "held", alt, moves=True)
    if said := held_sentences(as_it_is, held, explained.trained):
        st.caption(join_sentences(said, _(lesson.OF_ONE_SCORE)))
