"""The stop about forgetting: every number is the trace's, the mark follows the word, and nothing typed breaks it."""

import numpy as np
import pytest

from analysis.experiment import CELLS, GATED, Experiment
from analysis.language import in_language
from analysis.lesson.reading import MOST_WORDS
from analysis.lesson.trace import everyday_sentences, trace_first_word
from analysis.report.sentences import fading as sentences
from analysis.tasks.vocabulary import split_words
from pages.ui import readers
from tests.helpers.app import app, charts, fine, values

pytestmark = [pytest.mark.filterwarnings("ignore::ResourceWarning"), pytest.mark.usefixtures("no_runs")]

PAGE = "pages/lesson/goldfish.py"
EXAMPLE = readers.EXAMPLES["en"]
HOSTILE = [
    "<script>alert(1)</script> :red[red] $x$ **bold** \\ [link](javascript:alert(1))",
    "👨‍👩‍👧‍👦 👍🏽 🇩🇪 and ❤️",
    "a" * 1900,
    "{word} %s {0} \u202eevil\u202c",
]


def traced(sentence=EXAMPLE, networks="keeps", text="english"):
    """What is left by cell, with the weights that the page's choice names."""
    found = {}
    for cell in CELLS:
        shipped = Experiment(cell=cell, task="words", text_file=text, seeds=1)
        bias = 3.0 if networks == "keeps" and cell in GATED else None
        trained = readers.run(shipped).weights if networks == "trained" else None
        experiment = shipped if trained else shipped.replace(seeds=4, forget_bias=bias)
        found[cell] = trace_first_word(experiment, split_words(sentence), everyday_sentences(text), trained)
    return found


def says(at):
    return next(text.value for text in at.markdown if text.value.startswith("## "))[3:]


def captions(at):
    return " ".join(caption.value for caption in at.caption)


def shows(at, found, word, networks="keeps"):
    """Check that picture and sentences show these traces, with the mark at a word."""
    (figure,) = charts(at)
    for cell, trace in found.items():
        lines = [each for each in figure["data"] if each["name"] == cell.upper()]
        thin, bold = (next(each for each in lines if bool(each.get("showlegend")) == named) for named in (False, True))
        np.testing.assert_allclose(values(bold["y"]), trace.own)
        np.testing.assert_allclose(values(thin["y"]), trace.relative)
        (dot,) = (each for each in figure["data"] if each["name"] == f"{cell.upper()} {word}")
        assert values(dot["y"])[0] == pytest.approx(trace.own[word])
    assert figure["layout"]["shapes"][0]["x0"] == word
    assert says(at) == sentences.why_sentence(found, word)
    assert sentences.gates_sentences(found, word, networks) in [text.value for text in at.markdown]
    assert sentences.half_sentence(found) in captions(at)
    assert sentences.others_sentence(found, word) in captions(at)


def test_it_opens_in_mid_sentence_with_gates_that_keep():
    at = fine(app(PAGE))
    shows(at, traced(), 7)
    assert "goldfish" in captions(at) and "vanishing gradient" in captions(at)
    assert charts(at)[0]["layout"]["yaxis"].get("type", "linear") == "linear"
    assert not at.warning


def test_the_rnn_fades_and_the_gates_keep():
    found = traced()
    assert found["rnn"].own[5] < 0.1 and min(found[cell].own[5] for cell in GATED) > 0.5
    started = traced(networks="starts")
    assert max(trace.own[5] for trace in started.values()) < 0.1


@pytest.mark.parametrize("networks", ["starts", "trained"])
def test_other_networks(networks):
    at = fine(app(PAGE))
    fine(at.segmented_control(key="networks").set_value(networks).run())
    shows(at, traced(networks=networks), 7, networks)
    if networks == "starts":
        assert "teach the RNN, LSTM and GRU to keep the first word" in captions(at)
    assert ("one alone says little" in captions(at)) == (networks == "trained")


def test_the_mark_follows_the_word():
    at = fine(app(PAGE))
    for word in (0, 3, 12):
        fine(at.select_slider(key="word").set_value(word).run())
        figure = charts(at)[0]
        assert figure["layout"]["shapes"][0]["x0"] == word
        assert says(at) == sentences.why_sentence(traced(), word)
    fine(at.button(key="word_back").click().run())
    shows(at, traced(), 11)


def test_the_axis_is_logarithmic_on_request():
    at = fine(app(PAGE))
    fine(at.toggle(key="fading_log").set_value(True).run())
    assert charts(at)[0]["layout"]["yaxis"]["type"] == "log"
    shows(at, traced(), 7)


def test_a_sentence_of_ones_own():
    at = fine(app(PAGE, sentence="The cat sleeps.", word="2 · cat"))
    shows(at, traced("The cat sleeps."), 1)


def test_an_empty_sentence_and_a_single_word():
    at = fine(app(PAGE, sentence="  "))
    shows(at, traced(), 7)
    assert f"until you write something, this is read: {EXAMPLE}" in captions(at)
    fine(at.text_input(key="sentence").set_value("The").run())
    assert says(at) == "One word alone can't be forgotten. Write a second one."
    assert not charts(at)


def test_a_long_sentence_is_cut_and_has_no_range_at_its_end():
    at = fine(app(PAGE, sentence="the dog and " * 30, word=f"{MOST_WORDS} · the"))
    shows(at, traced("the dog and " * 30), MOST_WORDS - 1)
    assert "as many turns later" not in captions(at)


def test_the_word_it_opens_at_is_one_where_memory_changes_the_guess():
    for language, word in (("English", 7), ("中文", 9)):
        assert fine(app(PAGE, language=language)).select_slider(key="word").value == word


def test_a_chinese_sentence_is_read_by_models_that_learned_chinese():
    at = fine(app(PAGE, sentence=readers.EXAMPLES["zh"]))
    shows(at, traced(readers.EXAMPLES["zh"], text="chinese"), 9)


def test_a_warning_takes_the_sentences_place_where_words_are_unknown():
    at = fine(app(PAGE, sentence="Quantum chromodynamics confines quarks."))
    assert at.warning[0].value == sentences.unknown_sentence(traced("Quantum chromodynamics confines quarks.")["rnn"])
    assert not any(text.value.startswith("## ") for text in at.markdown)
    assert not any("The slope is" in text.value for text in at.markdown)


@pytest.mark.parametrize("sentence", HOSTILE)
def test_nothing_typed_breaks_it(sentence):
    at = fine(app(PAGE, sentence=sentence))
    (figure,) = charts(at)
    assert not any("<script" in tick for tick in figure["layout"]["xaxis"]["ticktext"])


def test_links_that_say_nonsense_show_what_comes_first():
    at = fine(app(PAGE, networks="best", fading_log="perhaps", word="99 · no", language="Klingon"))
    shows(at, traced(), 7)


def test_the_choice_of_networks_stays_where_the_language_changes():
    at = fine(app(PAGE, language="中文"))
    with in_language("zh"):  # the test runner writes a choice as this thread would label it
        fine(at.segmented_control(key="networks").set_value("starts").run())
        shows(at, traced(readers.EXAMPLES["zh"], "starts", "chinese"), 9, "starts")
    fine(at.segmented_control(key="language").set_value("English").run())
    assert at.segmented_control(key="networks").value == "starts"
    assert at.query_params["networks"] == "untrained, gates as they start"
    shows(at, traced(networks="starts"), 9, "starts")


def test_the_instrument_opens_with_the_same_start():
    links = {link.proto.label: link.proto for link in fine(app(PAGE)).get("page_link")}
    assert "forget_bias=3.0" in links["Look closer: Gradient decay"].query_string
