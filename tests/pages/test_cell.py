"""The page Inside the cell: any sentence, every cell, trained and not."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from analysis.figures.parts import VIEWS
from analysis.lesson.arithmetic import lines_of_unit
from analysis.lesson.held import hold_gate_of_model
from analysis.lesson.reading import MOST_WORDS
from analysis.report.sentences import cell as sentences
from analysis.tasks.vocabulary import split_words
from pages.ui import cell as ui
from pages.ui import lesson, training
from tests.helpers.app import charts
from tests.helpers.app import trained as trained_page
from tests.helpers.jobs import PATIENCE

pytestmark = [pytest.mark.filterwarnings("ignore::ResourceWarning"), pytest.mark.usefixtures("no_runs")]

DASHBOARD = str(Path(__file__).parents[2] / "dashboard.py")
PAGE = "pages/understand/cell.py"
SMALL = {"hidden_size": "6"}
TABS = ("One unit's arithmetic", "Every unit", "What it depends on", "What the GRU saves")
HOSTILE = [
    "hello",
    "the " * 200,
    "👨‍👩‍👧‍👦 👍🏽 🇩🇪 and ❤️",
    "你好世界 こんにちは 안녕하세요",
    "שלום עולם, مرحبا بالعالم",
    "<script>alert(1)</script> <img src=x onerror=alert(1)> </bdi></p>",
    "&lt;b&gt; $x^2$ **bold** :red[red] `code` [link](javascript:alert(1)) \\ ~~no~~",
    "a" * 1900,
    "\u202eevil\u202c e\u0301\u0301 =1+1 -- ' \" {x} %s",
]


def app(tab=TABS[0], **settings):
    at = AppTest.from_file(DASHBOARD, default_timeout=PATIENCE)
    for name, value in (SMALL | settings).items():
        at.query_params[name] = value
    at.run()
    at.switch_page(PAGE)
    at.query_params["inside_tab"] = tab
    return fine(at.run())


def fine(at):
    assert not at.exception, at.exception[0].value
    assert not at.error, at.error[0].value
    return at


def drawing(at):
    """The drawing of the cell that lies above."""
    return next(chart for chart in charts(at) if "coloraxis" in chart["layout"])


def word_read(at):
    notes = [note["text"] for note in drawing(at)["layout"]["annotations"]]
    return notes[-2].removeprefix("<b>").partition("</b>")[0]


def words_offered(at):
    return [option.partition(" · ")[2] for option in at.select_slider(key="word").options]


def captions(at):
    return " ".join(caption.value for caption in at.caption)


def headings(at):
    return [text.value.removeprefix("## ") for text in at.markdown if text.value.startswith("## ")]


def shown(at, cell="lstm"):
    """The experiments of the page, as the sidebar makes them."""
    return ui.next_word_experiments(at.session_state["settings"], cell)


def test_a_newcomer_sees_a_sentence_run_through_an_lstm():
    at = app()
    assert words_offered(at) == split_words(ui.EXAMPLE)
    assert word_read(at) == "so"  # in mid sentence, the first that is no sign
    patches = {trace["name"] for trace in drawing(at)["data"] if trace["type"] == "heatmap"}
    assert {"forget", "input", "candidate", "output", "cell", "hidden"} <= patches
    reading = ui.read_words(shown(at)["lstm"], None, split_words(ui.EXAMPLE), True)
    assert sentences.reader_sentences(reading, None, True) in captions(at)
    assert sentences.largest_state_sentence(reading) in headings(at)
    assert lesson.FLOWS["lstm"] in [text.value for text in at.markdown]


@pytest.mark.parametrize("sentence", HOSTILE)
def test_any_sentence_works(sentence):
    at = app(tab=TABS[2], sentence=sentence)
    experiment = shown(at)["lstm"]
    words = split_words(sentence[:2000])
    assert len(words_offered(at)) == min(len(words), MOST_WORDS)
    if len(words) > MOST_WORDS:
        reading = ui.read_words(experiment, None, words, True)
        assert reading.left_out == len(words) - MOST_WORDS
        assert sentences.reader_sentences(reading, None, True) in captions(at)
    place, coloured = (html.proto.body for html in at.get("html") if "<bdi" in html.proto.body)
    assert [piece for piece in parsed(place)[1] if piece.strip()] == words[:MOST_WORDS]
    tags, text = parsed(coloured)
    assert set(tags) == {"div", "b", "span", "bdi"}
    assert [piece for piece in text if piece.strip()] == [
        piece for cell in ("RNN", "LSTM", "GRU") for piece in (cell, *words[:MOST_WORDS])
    ]  # as it was typed
    for note in drawing(at)["layout"]["annotations"]:
        assert set(re.findall(r"</?(\w+)", note["text"])) <= {"b", "i", "br", "span", "sub"}


def parsed(html):
    tags, text = [], []

    class Parser(HTMLParser):
        def handle_starttag(self, tag, attrs):
            tags.append(tag)

        def handle_data(self, data):
            text.append(data)

    Parser().feed(html)
    return tags, text


@pytest.mark.parametrize("sentence", ["", "   ", "\u200b\u202e"])
def test_an_empty_sentence_says_so_and_shows_the_example(sentence):
    at = app()
    at.text_input(key="sentence").set_value(sentence)
    fine(at.run())
    assert any("Nothing to read yet" in info.value for info in at.info)
    assert words_offered(at) == split_words(ui.EXAMPLE)


@pytest.mark.parametrize("tab", TABS)
@pytest.mark.parametrize("cell", ["RNN", "LSTM", "GRU"])
def test_every_tab_of_every_cell(cell, tab):
    at = app(tab=tab, inside_cell=cell, squashed="false")
    assert lesson.FLOWS[cell.lower()] in [text.value for text in at.markdown]
    assert lesson.WITHOUT_TANH in [text.value for text in at.markdown]
    for view in VIEWS[cell.lower()]:
        if len(VIEWS[cell.lower()]) > 1:
            at.segmented_control(key=f"{cell.lower()}_gate").set_value(view).run()
        assert lesson.MEANINGS[cell.lower(), view] in captions(fine(at))
    if tab == TABS[0]:
        lines = arithmetic(at).splitlines()
        assert len(lines) == {"RNN": 1, "LSTM": 6, "GRU": 4}[cell]
        at.number_input(key="unit").set_value(5)
        assert arithmetic(fine(at.run())).splitlines() != lines
    if tab == TABS[3]:
        lstm, gru = (ui.cell_cost(shown(at)[name]) for name in ("lstm", "gru"))
        assert gru["parameters"] == 0.75 * lstm["parameters"]
        assert sentences.savings_sentence(lstm, gru) in [text.value for text in at.markdown]


def test_the_lesson_speaks_of_the_chosen_cell():
    for cell in ("rnn", "lstm", "gru"):
        texts = [text.value for text in app(inside_cell=cell.upper()).markdown]
        assert {lesson.LOOP[cell], lesson.WHY_TANH[cell]} <= set(texts)
        assert ("cell state" in lesson.LOOP[cell] + lesson.WHY_TANH[cell]) == (cell == "lstm")


@pytest.mark.parametrize("cells", ["RNN", "GRU"])
def test_the_page_offers_and_compares_all_cells_whatever_the_sidebar_says(cells):
    at = app(cells=cells, tab=TABS[2], forget_bias="1", init="orthogonal")
    assert at.segmented_control(key="inside_cell").options == ["LSTM", "GRU", "RNN"]
    assert at.segmented_control(key="inside_cell").value == "lstm"
    connectivity = next(chart for chart in charts(at) if chart["data"][0]["type"] == "bar")
    assert [bars["name"] for bars in connectivity["data"]] == ["RNN", "LSTM", "GRU"]
    experiments = shown(at)
    assert {each.init for each in experiments.values()} == {"orthogonal"}
    assert experiments["rnn"].forget_bias is None


def test_one_word_is_shared_and_kept_when_the_cell_or_the_weights_change():
    at = app(tab=TABS[0])
    at.select_slider(key="word").set_value(2)
    fine(at.run())
    assert word_read(at) == "grew" and "At “grew”, 3 of 13." in captions(at)
    reading = ui.read_words(shown(at)["lstm"], None, split_words(ui.EXAMPLE), True)
    assert arithmetic(at).splitlines() == [str(line) for line in lines_of_unit(reading, 2, 0)]
    at.segmented_control(key="inside_cell").set_value("gru")
    fine(at.run())
    at.segmented_control(key="weights").set_value("untrained")
    at.query_params["inside_tab"] = TABS[2]
    fine(at.run())
    assert word_read(at) == "grew" and at.select_slider(key="word").value == 2
    at.text_input(key="sentence").set_value("one two")
    assert word_read(fine(at.run())) == "two"  # it has no third word


def test_the_buttons_step_and_play():
    at = app(sentence="a b c d")
    assert word_read(at) == "c"
    assert word_read(fine(at.button(key="word_back").click().run())) == "b"
    fine(at.button(key="word_play").click().run())
    assert at.button(key="word_on").disabled and at.button(key="word_pause")


@pytest.mark.parametrize(
    "settings", [{"task": "digits"}, {"task": "words", "length": "9"}, {"layers": "3"}, {"hidden_size": "1"}]
)
def test_whatever_the_sidebar_says_the_page_reads_words(settings):
    assert words_offered(app(**settings))


def test_a_trained_model_takes_the_drawings_place():
    at = app(steps="3", batch_size="2", length="3", task="words")
    experiment, words = shown(at)["lstm"], split_words(ui.EXAMPLE)
    untrained = ui.read_words(experiment, None, words, True)
    assert sentences.reader_sentences(untrained, None, waiting=True) in captions(at)
    before = drawing(at)["data"]
    trained_page(at)
    run = training.load(training.jobs().find(experiment).id)
    trained = ui.read_words(experiment, run, words, True)
    assert sentences.reader_sentences(trained, run, waiting=True) in captions(at)
    assert drawing(at)["data"] != before
    assert "without it" not in captions(at)
    at.toggle(key="squashed").set_value(False)
    fine(at.run())
    without_tanh = ui.read_words(experiment, run, words, False)
    assert sentences.reader_sentences(without_tanh, run, waiting=True) in captions(at)
    at.toggle(key="squashed").set_value(True)
    at.segmented_control(key="weights").set_value("untrained")
    assert drawing(fine(at.run()))["data"] == before


def arithmetic(at):
    """The calculation in the tab: the longest code that is no command."""
    return max((code.value for code in at.code if not code.value.startswith("python -m")), key=len)


def held(at):
    """The picture of the held gate; None where no gate is held."""
    return next(
        (
            chart
            for chart in charts(at)
            if len(chart["data"]) > 3 and "distance k" in str(chart["layout"].get("xaxis2"))
        ),
        None,
    )


@pytest.mark.parametrize(("cell", "gate"), [("lstm", "forget"), ("lstm", "output"), ("gru", "update")])
def test_a_gate_is_held_by_hand(cell, gate):
    at = app(inside_cell=cell.upper(), **{f"{cell}_gate": gate})
    assert held(at) is None and not at.slider(key="hidden_size").disabled
    at.toggle(key="hold").set_value(True)
    fine(at.run())
    words, experiment = split_words(ui.EXAMPLE), shown(at, cell)[cell]
    for value in (0.9, 0.35):
        at.slider(key="held_at").set_value(value)
        fine(at.run())
        as_it_is, result = (hold_gate_of_model(experiment, words, gate, each) for each in (None, value))
        picture = held(at)
        assert {trace["name"] for trace in picture["data"]} >= {"as it is", f"{gate} gate held at {value}"}
        assert sentences.held_sentences(as_it_is, result, trained=False) in captions(at)
    at.toggle(key="hold").set_value(False)
    assert held(fine(at.run())) is None


def test_a_link_holds_a_gate_and_the_network_without_tanh_or_trained_is_held():
    settings = {"steps": "3", "batch_size": "2", "length": "3", "task": "words", "hold": "true", "held_at": "0.4"}
    at = app(squashed="false", **settings)
    experiment, words = shown(at)["lstm"], split_words(ui.EXAMPLE)

    def said(activation, trained):
        experiment_shown = experiment.replace(activation=activation)
        weights = training.load(training.jobs().find(experiment).id).weights if trained else None
        as_it_is, result = (
            hold_gate_of_model(experiment_shown, words, "forget", value, weights) for value in (None, 0.4)
        )
        return sentences.held_sentences(as_it_is, result, trained)

    assert said("identity", False) in captions(at)
    at.toggle(key="squashed").set_value(True)
    assert said("tanh", False) in captions(fine(at.run()))
    trained_page(at)
    assert said("tanh", True) in captions(at)


@pytest.mark.parametrize("settings", [{"lstm_gate": "cell"}, {"lstm_gate": "hidden state"}, {"inside_cell": "RNN"}])
def test_what_is_no_gate_is_not_held(settings):
    at = app(hold="true", **settings)
    assert held(at) is None and "hold" not in [toggle.key for toggle in at.toggle]


def test_nothing_trains_unasked():
    for weights in ("trained", "untrained"):
        app(steps="3", batch_size="2", weights=weights)
    assert not training.jobs().rows()
