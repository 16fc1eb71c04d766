"""What the page about the inside of a cell asks for, reads and shows."""

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape

import streamlit as st

from analysis.engine.cost import count_cell_cost
from analysis.experiment import CELLS, SETTINGS, Experiment
from analysis.figures import style
from analysis.language import translate as _
from analysis.lesson.held import hold_gate_of_model, read_with_gate_held
from analysis.lesson.reading import read_with_model
from analysis.reading import Held, Reading
from analysis.report.markdown import escape_markdown
from analysis.report.sentences.cell import savings_sentence
from analysis.results import Run
from analysis.tasks.registry import build_task
from analysis.tasks.vocabulary import split_words
from pages.ui import player, session
from pages.ui.settings import Settings

WORD = "word"  # the slider over words
BEAT = 1.0  # seconds that a word is shown while they play
LONGEST = 14  # characters of a word along the slider
EXAMPLE = "The boy grew up in France, so he speaks fluent French."


def next_word_experiments(settings: Settings, first: str) -> dict[str, Experiment]:
    """Return every cell's experiment as a next-word model of one seed and one layer, the chosen cell first."""
    defaults = {name: SETTINGS[name].default for name in ("symbols", "position", "activation")}
    experiments = {}
    for cell in sorted(CELLS, key=lambda cell: cell != first):
        experiments[cell] = settings.every[cell].replace(
            **defaults, task="words", text_file=settings.text_file, length=None, seeds=1, layers=1
        )
    return experiments


def choose_sentence() -> list[str]:
    """Ask for a sentence and return its words; those of the example where it has none."""
    text = st.text_input(
        "Sentence", EXAMPLE, key="sentence", bind="query-params", max_chars=2000,
        help="Any language. What the model knows of it comes from the text that the sidebar names.",
    )  # fmt: skip
    words = split_words(text)
    if not words:
        st.info(f"Nothing to read yet. Type a sentence; until then this one is read: “{EXAMPLE}”")
    return words or split_words(EXAMPLE)


def choose_cell() -> str:
    """Ask for a cell; the LSTM at first."""
    return st.segmented_control(
        "Cell", ("lstm", "gru", "rnn"), default="lstm", required=True, key=session.INSIDE_CELL.name,
        format_func=str.upper, bind="query-params", help="Which cell reads the sentence.",
    )  # fmt: skip


def word_track(words: Sequence[str], first: int | None = None) -> player.Track:
    """Return what the slider over words runs over.

    It starts at the word `first`; where that is None in mid sentence, where the cell remembers something.
    """
    if first is None:
        middle = len(words) // 2
        first = next((t for t in range(middle, len(words)) if any(map(str.isalnum, words[t]))), middle)

    def name(t: int) -> str:
        word = words[t] if len(words[t]) <= LONGEST else words[t][: LONGEST - 1] + "…"
        return f"{t + 1} · {word}"

    return player.Track(WORD, range(len(words)), first, _("Word"), name)


def show_place(reading: Reading, word: int) -> None:
    """Show the sentence and where in it the cell is."""
    with st.container(key="sentence-read"):
        st.html(place_html(reading, word))


def place_html(reading: Reading, word: int) -> str:
    """Return the sentence as HTML, the word that is read now in bold and underlined, those to come faint."""
    shown = []
    for t, text in enumerate(reading.words):
        look = "font-weight:700;border-bottom:3px solid" if t == word else "opacity:.75" if t > word else ""
        shown.append(f'<bdi style="padding:0 2px;{look}">{escape(text)}</bdi>')
    return f'<div dir="auto" style="overflow-wrap:anywhere">{" ".join(shown)}</div>'


def read_with_each(
    experiments: Mapping[str, Experiment], runs: Mapping[str, Run], words: list[str], squashed: bool
) -> dict[str, Reading]:
    """Read the words with every cell, trained where it has a run; where its text can't be used, end the page."""
    try:
        return {cell: read_words(experiments[cell], runs.get(cell), words, squashed) for cell in CELLS}
    except ValueError as error:
        st.error(escape_markdown(error))
        st.stop()


def read_words(experiment: Experiment, run: Run | None, words: list[str], squashed: bool) -> Reading:
    """Read the words with the weights of a run, or with initial weights; without tanh unless `squashed`."""
    shown = experiment if squashed else experiment.replace(activation="identity")
    return _read_words(shown, tuple(words), run is not None, run)


@st.cache_resource(max_entries=60, show_spinner=False, hash_funcs={Experiment: repr})
def _read_words(experiment: Experiment, words: tuple[str, ...], trained: bool, _run: Run | None) -> Reading:
    """Read the words; the cache leaves out the run, as equal settings train equal weights."""
    return read_with_model(experiment, list(words), _run.weights if trained else None)


def held_reader(
    experiment: Experiment, run: Run | None, words: list[str], squashed: bool, gate: str
) -> Callable[[float | None], Held]:
    """Return a function that reads the words with a gate held at a value, or with None as it is; as `read_words`."""
    shown = experiment if squashed else experiment.replace(activation="identity")
    return lambda value: _hold_gate(shown, tuple(words), gate, value, run is not None, run)


def read_held(
    experiment: Experiment, run: Run | None, words: list[str], squashed: bool, gate: str, value: float
) -> Reading:
    """Read the words with a gate held at a value; as `read_words`."""
    shown = experiment if squashed else experiment.replace(activation="identity")
    return _read_held(shown, tuple(words), gate, value, run is not None, run)


@st.cache_resource(max_entries=100, show_spinner=False, hash_funcs={Experiment: repr})
def _read_held(
    experiment: Experiment, words: tuple[str, ...], gate: str, value: float, trained: bool, _run: Run | None
) -> Reading:
    """Read with a gate held; the cache leaves out the run, as in `_read_words`."""
    return read_with_gate_held(experiment, list(words), gate, value, _run.weights if trained else None)


@st.cache_resource(max_entries=100, show_spinner=False, hash_funcs={Experiment: repr})
def _hold_gate(
    experiment: Experiment, words: tuple[str, ...], gate: str, value: float | None, trained: bool, _run: Run | None
) -> Held:
    """Hold a gate; the cache leaves out the run, as in `_read_words`."""
    return hold_gate_of_model(experiment, list(words), gate, value, _run.weights if trained else None)


def sentence_html(reading: Reading, word: int) -> str:
    """Return the sentence as HTML, each word in its cell's colour, as strong as the prediction depends on it.

    Words after `word`, after which is predicted, are faint.
    """
    colour = style.COLOURS[reading.cell]
    spans = []
    for t, (text, value) in enumerate(zip(reading.words, reading.relative[word], strict=True)):
        share = 0.0 if math.isnan(value) else value
        spans.append(
            f'<bdi title="{share:.1%} of the largest" style="background:{style.faded(colour, round(0.65 * share, 3))};'
            f"padding:2px 4px;border-radius:4px;{'' if t <= word else 'opacity:.35;'}"
            f'{"border-bottom:3px solid;" if t == word else ""}">{escape(text)}</bdi>'
        )
    name = f'<b style="flex:0 0 3em">{reading.cell.upper()}</b>'
    sentence = f'<span dir="auto" style="flex:1">{" ".join(spans)}</span>'
    return f'<div style="display:flex;line-height:2.1">{name}{sentence}</div>'


@st.cache_data(max_entries=100, show_spinner=False, hash_funcs={Experiment: repr})
def cell_cost(experiment: Experiment) -> dict[str, int]:
    """Return a cell's parameters, and its multiply-adds for one word."""
    return count_cell_cost(experiment, build_task(experiment))


def show_costs(experiments: Mapping[str, Experiment]) -> None:
    """Show what each cell costs, and what the GRU saves beside the LSTM."""
    costs = {cell: cell_cost(experiment) for cell, experiment in experiments.items()}
    columns = {cell.upper(): [f"{cost['parameters']:,}", f"{cost['multiply_adds']:,}"] for cell, cost in costs.items()}
    st.table({"per cell": ["parameters", "multiply-adds per word"]} | columns, hide_index=True, border="horizontal")
    st.markdown(savings_sentence(costs["lstm"], costs["gru"]))
