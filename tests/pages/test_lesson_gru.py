"""The stop about the GRU: both cells at the same word, counted costs, and a time only where it was asked for."""

import numpy as np
import pytest

from analysis.engine.cost import count_cell_cost
from analysis.figures import style
from analysis.lesson.arithmetic import lines_of_unit
from analysis.report.sentences.costs import costs_sentence
from analysis.report.sentences.parts import part_sentence
from analysis.tasks.registry import build_task
from analysis.tasks.vocabulary import split_words
from pages.ui import gru as ui
from pages.ui import lesson, parts, readers
from tests.helpers.app import app, charts, fine, values

pytestmark = [pytest.mark.filterwarnings("ignore::ResourceWarning"), pytest.mark.usefixtures("no_runs")]

PAGE = "pages/lesson/gru.py"
WORDS = split_words(readers.EXAMPLES["en"])
COUNTS = {
    cell: count_cell_cost(experiment, build_task(experiment))
    for cell, experiment in readers.experiments(WORDS).items()
    if cell in ui.CELLS
}


def says(at):
    return next(text.value for text in at.markdown if text.value.startswith("## "))[3:]


def drawn_numbers(figure):
    """All numbers in a drawing's patches, to three decimals."""
    patches = [values(trace["z"]).ravel() for trace in figure["data"] if trace["type"] == "heatmap"]
    return {f"{number:.3f}" for patch in patches for number in patch[np.isfinite(patch)]}


def test_both_cells_are_drawn_at_the_same_word():
    at = fine(app(PAGE))
    lstm, gru, costs = charts(at)
    for cell, figure in (("lstm", lstm), ("gru", gru)):
        line = lines_of_unit(readers.read(cell, WORDS), 7, 0)[-1]
        assert f"{line.value:.3f}" in drawn_numbers(figure)
    assert drawn_numbers(lstm) != drawn_numbers(gru)
    shares = [COUNTS["gru"][name] / COUNTS["lstm"][name] for name in ("parameters", "multiply_adds")]
    np.testing.assert_allclose(values(costs["data"][0]["x"]), shares)
    assert says(at) == costs_sentence(COUNTS["lstm"], COUNTS["gru"])


def test_the_word_moves_both():
    at = fine(app(PAGE))
    before = [drawn_numbers(figure) for figure in charts(at)[:2]]
    fine(at.select_slider(key="word").set_value(2).run())
    assert all(drawn_numbers(figure) != was for figure, was in zip(charts(at)[:2], before, strict=True))


def test_time_is_measured_when_asked_and_is_of_this_sentence_alone():
    at = fine(app(PAGE))
    assert at.session_state["race_run"] is None
    fine(at.button(key="race").click().run())
    race = at.session_state["race_run"]
    assert race.words == tuple(WORDS) and len(race.ratios) == 8
    assert says(at) == costs_sentence(COUNTS["lstm"], COUNTS["gru"], race)
    assert values(charts(at)[2]["data"][0]["x"])[2] == pytest.approx(np.median(race.ratios))
    fine(at.select_slider(key="word").set_value(2).run())
    assert says(at) == costs_sentence(COUNTS["lstm"], COUNTS["gru"], race)
    fine(at.text_input(key="sentence").set_value("The cat sleeps.").run())
    assert says(at) == costs_sentence(COUNTS["lstm"], COUNTS["gru"])


def test_z_keeps_and_replaces():
    said = " ".join(text.value for text in fine(app(PAGE)).markdown)
    assert "**keeps** the share z" in said and "**replaces** the share 1\u00a0−\u00a0z" in said


def test_a_clicked_part_is_explained_and_a_second_click_ends_that():
    at = fine(app(PAGE))
    for cell, clicked, view in (
        ("gru", "update", "update"),
        ("lstm", "kept", "forget"),
        ("lstm", "squashed", "output"),
    ):
        at.session_state["gru_part"] = (cell, parts.view_of(cell, clicked))
        explained = " ".join(text.value for text in fine(at.run()).markdown)
        assert parts.view_of(cell, clicked) == view
        assert lesson.MEANINGS[cell, view] in explained
        assert part_sentence(readers.read(cell, WORDS), view, 7, 0) in explained
        strong = [
            shape
            for shape in charts(at)[("lstm", "gru").index(cell)]["layout"]["shapes"]
            if shape["line"]["width"] == 5
        ]
        assert any(shape["line"]["color"] == style.CHOSEN for shape in strong)
    at.session_state["gru_part"] = None
    assert "**Left out:**" in " ".join(text.value for text in fine(at.run()).markdown)


@pytest.mark.parametrize(
    ("settings", "first"),
    [
        ({"sentence": " "}, "The"),
        ({"sentence": "hello"}, "hello"),
        ({"sentence": readers.EXAMPLES["zh"]}, "男"),
        ({"sentence": "<script>alert(1)</script> $x$ :red[x] {y}"}, "<"),
        ({"word": "99 · no", "race": "now"}, "The"),
    ],
)
def test_nothing_in_a_link_breaks_it(settings, first):
    at = fine(app(PAGE, **settings))
    assert len(charts(at)) == 3 and at.select_slider(key="word").options[0] == f"1 · {first}"
