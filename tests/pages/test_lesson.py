"""The lesson's stops: one leads to another, in English and Chinese, with the same numbers and the same sentence."""

import re

import pytest

from pages.ui import readers, stops
from pages.ui.language import MENU
from pages.ui.stops import STOPS
from tests.helpers.app import app, charts, fine

# Streamlit's test runner leaves its temporary folder to the garbage collector.
pytestmark = [pytest.mark.filterwarnings("ignore::ResourceWarning"), pytest.mark.usefixtures("no_runs")]

SENTENCE = "The cat sleeps in the house, and the dog sleeps too."
WRITTEN = ("title", "text", "ticktext", "hovertemplate", "name")  # what of a figure is written in words


def texts(at):
    """Everything that is written on a page, but for what is no prose: code, formulas and the sidebar."""
    kinds = (at.title, at.header, at.subheader, at.markdown, at.caption, at.info, at.warning, at.error)
    labels = [each.label for kind in (at.slider, at.toggle, at.text_input, at.number_input) for each in kind]
    links = [link.proto.label for link in at.get("page_link")]
    return [each.value for kind in kinds for each in kind] + labels + links


def drawn_texts(at):
    """Everything that is written in a page's pictures."""

    def walk(part, name=""):
        if isinstance(part, dict):
            for key, value in part.items():
                yield from walk(value, key)
        elif isinstance(part, list):
            for value in part:
                yield from walk(value, name)
        elif isinstance(part, str) and name in WRITTEN:
            yield part

    return [text for chart in charts(at) for text in walk(chart)]


def numbers(written):
    return sorted(re.findall(r"\d+(?:[.,]\d+)*", " ".join(written)))


@pytest.fixture(scope="module")
def pages():
    """Every stop in both languages."""
    return {
        (stop, language): fine(app(f"pages/lesson/{stop}.py", sentence=SENTENCE, language=language))
        for stop in STOPS
        for language in ("English", "中文")
    }


@pytest.mark.parametrize("stop", STOPS)
def test_a_stop_has_its_question_a_picture_and_ways_on(pages, stop):
    at = pages[stop, "English"]
    assert at.title[0].value == STOPS[stop].question and charts(at) and not at.error
    names = list(STOPS)
    labels = [link.proto.label for link in at.get("page_link")]
    place = names.index(stop)
    assert (
        (f"Next: {STOPS[names[place + 1]].short}" in labels) if place < 6 else not any("Next" in one for one in labels)
    )
    assert (f"Back: {STOPS[names[place - 1]].short}" in labels) if place else not any("Back:" in one for one in labels)


@pytest.mark.parametrize("stop", STOPS)
def test_chinese_says_the_same_numbers_and_leaves_nothing_in_english(pages, stop):
    english, chinese = pages[stop, "English"], pages[stop, "中文"]
    assert numbers(texts(chinese)) == numbers(texts(english))
    assert numbers(drawn_texts(chinese)) == numbers(drawn_texts(english))
    same = {text for text in texts(english) if len(text.split()) > 3} & {*texts(chinese)}
    assert not same
    drawn = {text for text in drawn_texts(english) if len(text.split()) > 3} & {*drawn_texts(chinese)}
    assert not drawn


def test_the_sentence_and_the_word_go_along_from_stop_to_stop():
    at = fine(app("pages/lesson/words.py", sentence=SENTENCE))
    at.select_slider(key="word").set_value(3).run()
    for stop in ("loop", "lstm"):
        fine(at.switch_page(f"pages/lesson/{stop}.py").run())
        assert at.text_input(key="sentence").value == SENTENCE
        assert at.select_slider(key="word").value == 3
    fine(at.switch_page("pages/measure/decay.py").run())
    fine(at.switch_page("pages/lesson/words.py").run())
    assert at.text_input(key="sentence").value == SENTENCE and at.query_params["sentence"] == SENTENCE


def test_the_example_follows_the_language_and_a_sentence_of_ones_own_stays():
    at = fine(app("pages/lesson/words.py"))
    assert at.text_input(key="sentence").value == readers.EXAMPLES["en"]
    fine(at.segmented_control(key="language").set_value("中文").run())
    assert at.text_input(key="sentence").value == readers.EXAMPLES["zh"]
    at.text_input(key="sentence").set_value(SENTENCE)
    fine(at.segmented_control(key="language").set_value("English").run())
    assert at.text_input(key="sentence").value == SENTENCE


def test_a_chinese_sentence_is_read_by_models_that_learned_chinese():
    for language in readers.EXAMPLES:
        words = readers.split_words(readers.EXAMPLES[language])
        for experiment in readers.experiments(words).values():
            assert experiment.text_file == {"en": "english", "zh": "chinese"}[language]
            assert readers.run(experiment).experiment == experiment
        assert readers.read("gru", words).known.all()


def test_the_row_of_stops_is_that_of_the_pages():
    from dashboard import LESSON

    assert tuple(stops.STOPS) == LESSON


def test_a_link_from_the_lesson_changes_what_it_names_and_nothing_else():
    at = fine(app("pages/lesson/words.py", gain="1.5", forget_bias="-1"))
    at.query_params["closer"] = "1"
    at.query_params["text"], at.query_params["forget_bias"] = "chinese", "3"
    fine(at.switch_page("pages/measure/decay.py").run())
    now = [at.session_state[name] for name in ("text", "forget_bias", "gain")]
    assert now == ["chinese", 3.0, 1.5] and "closer" not in at.query_params


def test_the_menu_speaks_the_language_that_was_chosen_last():
    from dashboard import PAGES

    named = {section for section in PAGES if section} | {
        title for entries in PAGES.values() for _page, title, icon in entries if icon
    }
    assert named == {*MENU}
    at = fine(app("pages/lesson/words.py", language="中文"))
    assert "细看：网络内部" in [link.proto.label for link in at.get("page_link")]
