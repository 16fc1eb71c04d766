"""What the page about the inside of a cell asks for, reads and shows."""

import math
from collections.abc import Mapping
from html import escape

import streamlit as st

from analysis.engine.cost import measure_cell_cost
from analysis.experiment import SETTINGS, Experiment
from analysis.figures import style
from analysis.lesson.reading import read_with_model
from analysis.report.markdown import escape_markdown
from analysis.report.sentences.cell import savings_sentence
from analysis.report.wording import format_number
from analysis.results import Reading, Run
from analysis.tasks.registry import build_task
from analysis.tasks.vocabulary import split_words
from pages.ui import session
from pages.ui.settings import Settings

EXAMPLE = "If the value is not found in the list, the function returns an empty string."


def next_word_experiments(settings: Settings, first: str) -> dict[str, Experiment]:
    """Return the sidebar's experiments as next-word models of one seed and one layer, the chosen cell first."""
    defaults = {name: SETTINGS[name].default for name in ("symbols", "position", "activation")}
    experiments = {}
    for cell in sorted(settings.cells, key=lambda cell: cell != first):
        experiment = settings.experiments[cell]
        length = experiment.length if experiment.task == "words" else None
        experiments[cell] = experiment.replace(**defaults, task="words", length=length, seeds=1, layers=1)
    return experiments


def unused_settings_sentence(task: str) -> str:
    """Return what trains on this page, and which of the sidebar's settings it does not use with this task."""
    unused = "seeds, layers" if task == "words" else "task, length, seeds, layers"
    return (
        f"One small model of each cell learns to predict the next word. The sidebar's {unused} and activation "
        "are not used on this page."
    )


def choose_sentence() -> list[str]:
    """Ask for a sentence and return its words; those of the example where it has none."""
    text = st.text_input(
        "Sentence", EXAMPLE, key="sentence", bind="query-params", max_chars=2000,
        help="Any language. To teach the model a text of your own, choose the task words in the sidebar.",
    )  # fmt: skip
    words = split_words(text)
    if not words:
        st.info(f"Nothing to read yet. Type a sentence; until then this one is read: “{EXAMPLE}”")
    return words or split_words(EXAMPLE)


def choose_cell(settings: Settings) -> str:
    """Ask for one of the sidebar's cells; the LSTM at first."""
    cells = sorted(settings.cells, key=("lstm", "gru", "rnn").index)
    if session.INSIDE_CELL.get() not in cells:
        session.INSIDE_CELL.forget()
    return st.segmented_control(
        "Cell", cells, default=cells[0], required=True, key="inside_cell", format_func=str.upper, bind="query-params",
        help="Which of the sidebar's cells reads the sentence.",
    )  # fmt: skip


def choose_word(label: str, reading: Reading, key: str) -> int:
    """Ask for one of the words that were read and return its place; the last at first."""
    last = len(reading.words) - 1
    return st.selectbox(
        label, range(last + 1), last, lambda t: f"{t + 1} · {reading.words[t]}", key=f"{key}_{last}", width=260,
        help="At which word of the sentence.",
    )  # fmt: skip


def untrained_readings(experiments: Mapping[str, Experiment], words: list[str], squashed: bool) -> dict[str, Reading]:
    """Read the words with every cell's initial weights; where the text can't be used, show why and end the page."""
    try:
        return {cell: read_words(experiment, None, words, squashed) for cell, experiment in experiments.items()}
    except ValueError as error:
        st.error(escape_markdown(error))
        st.stop()


def read_words(experiment: Experiment, run: Run | None, words: list[str], squashed: bool) -> Reading:
    """Read the words with the weights of a run, or with initial weights; without tanh unless `squashed`."""
    shown = experiment if squashed else experiment.replace(activation="identity")
    return _read_words(shown, tuple(words), run is not None, run)


@st.cache_data(max_entries=60, show_spinner=False)
def _read_words(experiment: Experiment, words: tuple[str, ...], trained: bool, _run: Run | None) -> Reading:
    """Read the words; the cache leaves out the run, as equal settings train equal weights."""
    return read_with_model(experiment, list(words), _run.weights if trained else None)


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


@st.cache_data(max_entries=100, show_spinner=False)
def cell_cost(experiment: Experiment) -> dict[str, float]:
    """Return a cell's parameters, multiply-adds of one word, and milliseconds of one batch on this machine."""
    return measure_cell_cost(experiment, build_task(experiment))


def show_costs(experiments: Mapping[str, Experiment]) -> None:
    """Show what each cell costs, and what the GRU saves beside the LSTM."""
    costs = {cell: cell_cost(experiment) for cell, experiment in experiments.items()}
    experiment = next(iter(experiments.values()))
    rows = [
        "parameters",
        "multiply-adds per word",
        f"ms for {experiment.batch_size} × {experiment.task_length} words, there and back",
    ]
    columns = {
        cell.upper(): [f"{cost['parameters']:,}", f"{cost['multiply_adds']:,}", format_number(cost["milliseconds"])]
        for cell, cost in costs.items()
    }
    st.table({"": rows} | columns, hide_index=True, border="horizontal")
    if {"lstm", "gru"} <= costs.keys():
        st.markdown(savings_sentence(costs["lstm"], costs["gru"]))
