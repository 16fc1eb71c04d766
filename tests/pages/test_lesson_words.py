import json

import numpy as np
import pytest

from analysis.language import in_language
from analysis.lesson.frequency import places_by_frequency
from analysis.report.sentences.words import (
    columns_sentence,
    frequency_sentence,
    numbers_sentence,
    strange_words_warning,
)
from analysis.tasks.vocabulary import split_words
from pages.ui import readers
from pages.ui.cell import EXAMPLE
from tests.helpers.app import charts, fine, values
from tests.helpers.links import opened

PAGE = "pages/lesson/words.py"
CHINESE = "他在法国长大。"
FIRST = 4  # of its words, where the RNN's memory changes the guess

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


def read(sentence):
    return readers.read("rnn", split_words(sentence))


def texts(at):
    return [element.value for element in at.markdown]


def check(at, sentence, word):
    """Compare what the page shows with the reading of a sentence, at one word."""
    reading = read(sentence)
    (picture,) = charts(at)
    drawn = values(next(trace for trace in picture["data"] if trace["name"] == "numbers")["z"])
    drawn = drawn.reshape(reading.embedded.T.shape)
    np.testing.assert_array_equal(drawn[:, : word + 1], reading.embedded[: word + 1].T)
    assert np.isnan(drawn[:, word + 1 :]).all()
    places, known = places_by_frequency(readers.experiments(list(reading.words))["rnn"], reading.words)
    assert {frequency_sentence(places[word], known), numbers_sentence(reading, word)} <= {*texts(at)}
    assert f"## {columns_sentence(reading)}" in texts(at)
    assert at.select_slider(key="word").value == word


def test_it_opens_in_mid_sentence():
    check(fine(opened(PAGE)), EXAMPLE, 7)


def test_the_word_moves():
    at = fine(opened(PAGE, word="2 · boy"))
    check(at, EXAMPLE, 1)
    check(fine(at.button(key="word_on").click().run()), EXAMPLE, 2)
    check(fine(at.select_slider(key="word").set_value(12).run()), EXAMPLE, 12)


def test_a_chinese_sentence_is_read_by_the_model_that_learned_chinese():
    at = fine(opened(PAGE, sentence=CHINESE))
    check(at, CHINESE, FIRST)
    assert read(CHINESE).known.all()


def test_the_page_in_chinese_reads_the_chinese_example():
    at = fine(opened(PAGE, language="中文"))
    assert at.text_input(key="sentence").value == readers.EXAMPLES["zh"]
    with in_language("zh"):
        expected = columns_sentence(read(readers.EXAMPLES["zh"]))
    assert f"## {expected}" in texts(at)


@pytest.mark.parametrize("sentence", ["", "   "])
def test_no_sentence_is_the_example(sentence):
    at = fine(opened(PAGE))
    check(fine(at.text_input(key="sentence").set_value(sentence).run()), EXAMPLE, 7)


def test_a_sentence_of_unknown_words_gets_a_warning_instead_of_a_verdict():
    sentence = "Zxq vvb <b>kkp</b> wyz"
    at = fine(opened(PAGE, sentence=sentence))
    assert [each.value for each in at.warning] == [strange_words_warning(read(sentence))]
    assert not any(text.startswith("## So the sentence") for text in texts(at))


@pytest.mark.parametrize(
    "settings",
    [{"word": "x"}, {"word": "99"}, {"sentence": "a" * 3000}, {"sentence": "[x](y) **b** $z$"}, {"language": "x"}],
)
def test_hostile_links_fall_back(settings):
    at = fine(opened(PAGE, **settings))
    assert len(charts(at)) == 1 and "NaN" not in json.dumps(charts(at))
