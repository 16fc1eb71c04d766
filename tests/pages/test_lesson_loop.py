import json

import numpy as np
import pytest

from analysis.report.sentences.loop import brought_sentence, handed_on_sentences
from analysis.report.sentences.words import strange_words_warning
from analysis.tasks.vocabulary import split_words
from pages.ui import readers
from pages.ui.cell import EXAMPLE
from tests.helpers.app import charts, fine, values
from tests.helpers.links import opened

PAGE = "pages/lesson/loop.py"
CHINESE = "他在法国长大。"
FIRST = 4  # of its words, where the RNN's memory changes the guess

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


def check(at, cell, sentence, word):
    """Compare what the page shows with a cell's reading of a sentence, at one word."""
    reading = readers.read(cell, split_words(sentence))
    (picture,) = charts(at)
    drawn = next(trace for trace in picture["data"] if trace.get("name") == "hidden_before")
    np.testing.assert_allclose(values(drawn["z"]), reading.parts["hidden_before"][word], atol=1e-4)
    texts = {element.value for element in at.markdown}
    alone = readers.read_alone(cell, reading.words)
    assert {handed_on_sentences(reading), f"## {brought_sentence(reading, alone, word)}"} <= texts
    assert at.select_slider(key="word").value == word


def test_it_opens_in_mid_sentence_with_an_rnn_that_remembers_something():
    at = fine(opened(PAGE))
    check(at, "rnn", EXAMPLE, 7)
    assert readers.read("rnn", split_words(EXAMPLE)).parts["hidden_before"][7].any()


def test_cell_and_word_are_chosen():
    at = fine(opened(PAGE, loop_cell="LSTM", word="6 · France"))
    check(at, "lstm", EXAMPLE, 5)
    check(fine(at.segmented_control(key="loop_cell").set_value("gru").run()), "gru", EXAMPLE, 5)
    check(fine(at.button(key="word_back").click().run()), "gru", EXAMPLE, 4)
    check(fine(at.select_slider(key="word").set_value(0).run()), "gru", EXAMPLE, 0)


def test_word_and_sentence_live_on_from_the_stop_before():
    at = fine(opened("pages/lesson/words.py", sentence="The cat sleeps in the house.", word="2 · cat"))
    at.switch_page(PAGE)
    check(fine(at.run()), "rnn", "The cat sleeps in the house.", 1)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_a_chinese_sentence(cell):
    check(fine(opened(PAGE, sentence=CHINESE, loop_cell=cell.upper())), cell, CHINESE, FIRST)


@pytest.mark.parametrize("sentence", ["", "   "])
def test_no_sentence_is_the_example(sentence):
    at = fine(opened(PAGE))
    check(fine(at.text_input(key="sentence").set_value(sentence).run()), "rnn", EXAMPLE, 7)


def test_a_sentence_of_unknown_words_gets_a_warning_instead_of_what_the_loop_carries():
    sentence = "Zxq vvb kkp wyz"
    at = fine(opened(PAGE, sentence=sentence))
    reading = readers.read("rnn", split_words(sentence))
    assert [each.value for each in at.warning] == [strange_words_warning(reading)]
    assert not any(text.value.startswith("## With what the loop") for text in at.markdown)


@pytest.mark.parametrize(
    "settings",
    [
        {"word": "x"}, {"word": "99"}, {"loop_cell": "x"}, {"sentence": "a" * 3000}, {"sentence": "[x](y) **b** $z$"},
        {"sentence": "word"}, {"language": "中文"},
    ],
)  # fmt: skip
def test_hostile_and_unusual_links_are_drawn(settings):
    at = fine(opened(PAGE, **settings))
    assert len(charts(at)) == 1 and "NaN" not in json.dumps(charts(at))
