"""The word models that read a sentence in the lesson: shipped trained, one of each cell for each language."""

import re

import streamlit as st

from analysis.experiment import CELLS, Experiment
from analysis.history.shipped import find_shipped
from analysis.language import current_language, mark
from analysis.language import translate as _
from analysis.reading import Reading
from analysis.results import Run
from analysis.tasks.vocabulary import split_words
from pages.ui import cell, session, training

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
    return split_words(text) or split_words(example)


def last_sentence() -> list[str]:
    """Return the words of the sentence that was read last in this session, or stands in the URL; or of the example."""
    text = session.SENTENCE.get() or st.query_params.get(session.SENTENCE.name, "")
    return split_words(text) or split_words(EXAMPLES[current_language()])


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
