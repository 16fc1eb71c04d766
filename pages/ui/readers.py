"""The word models that read a sentence in the lesson: shipped trained, one of each cell for each language."""

import re
from collections.abc import Sequence

import streamlit as st

from analysis.experiment import CELLS, Experiment
from analysis.history.shipped import find_shipped
from analysis.language import current_language, mark
from analysis.language import translate as _
from analysis.lesson.reading import find_changed_guess, read_each_alone
from analysis.reading import Alone, Reading
from analysis.results import Run
from analysis.tasks.vocabulary import split_words
from pages.ui import cell, player, session, training

EXAMPLES = {"en": cell.EXAMPLE, "zh": "男孩在法国长大，所以他说一口流利的法语。"}
CHINESE = re.compile("[\u3400-\u9fff]")
TEXT_HELP = mark("In English or Chinese: a sentence with a Chinese character is read by models that learned Chinese.")


def ask_sentence() -> list[str]:
    """Ask for a sentence and return its words; those of the example where it has none."""
    example = EXAMPLES[current_language()]
    if session.SENTENCE.get() in EXAMPLES.values():
        session.SENTENCE.set(example)
    text = st.text_input(
        _("Sentence"), example, key=session.SENTENCE.name, bind="query-params", max_chars=2000, help=_(TEXT_HELP)
    )
    words = split_words(text)
    if not words:
        st.caption(
            _("Nothing to read yet: until you write something, this is read: {sentence}").format(sentence=example)
        )
    return words or split_words(example)


def example() -> list[str]:
    """Return the words of the example."""
    return split_words(EXAMPLES[current_language()])


def last_sentence() -> list[str]:
    """Return the words of the sentence that was read last in this session, or stands in the URL; or of the example."""
    text = session.SENTENCE.get() or st.query_params.get(session.SENTENCE.name, "")
    return split_words(text) or example()


def experiments(words: list[str]) -> dict[str, Experiment]:
    """Return by cell the experiment whose shipped model reads these words."""
    return experiments_on(text_of(words))


def experiments_on(text: str) -> dict[str, Experiment]:
    """Return by cell the experiment whose shipped model has learned from a text."""
    return {each: Experiment(cell=each, task="words", text_file=text, seeds=1) for each in CELLS}


def text_of(words: list[str]) -> str:
    """Return the text from which the models have learned that read these words."""
    return "chinese" if any(map(CHINESE.match, words)) else "english"


def run(experiment: Experiment) -> Run:
    """Return the shipped run of an experiment that `experiments` returns."""
    id = find_shipped(experiment)
    assert id is not None, "analysis.training.ship trains every one of them"
    return training.load(id)


def read(cell_name: str, words: list[str], squashed: bool = True) -> Reading:
    """Read words with a cell's shipped model; without tanh unless `squashed`."""
    experiment = experiments(words)[cell_name]
    return cell.read_words(experiment, run(experiment), words, squashed)


def read_alone(cell_name: str, words: Sequence[str]) -> Alone:
    """Read each word alone with a cell's shipped model, its memory empty."""
    experiment = experiments([*words])[cell_name]
    return _read_alone(experiment, tuple(words), run(experiment))


@st.cache_data(max_entries=60, show_spinner=False)
def _read_alone(experiment: Experiment, words: tuple[str, ...], _run: Run) -> Alone:
    return read_each_alone(experiment, list(words), _run.weights)


def word_track(words: Sequence[str]) -> player.Track:
    """Return what the slider over words runs over at every stop; it starts where the RNN's memory changes its guess."""
    return cell.word_track(words, find_changed_guess(read("rnn", [*words]), read_alone("rnn", words)))
