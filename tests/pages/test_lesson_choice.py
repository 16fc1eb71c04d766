"""The stop about the choice: the runs that are there, as their own numbers say, and no more."""

import numpy as np
import pytest

from analysis.history.database import StoreError
from analysis.history.shipped import load_shipped
from analysis.report.sentences.choice import (
    choice_sentence,
    describe_group,
    recap_sentence,
    rule_sentences,
    task_sentence,
)
from analysis.report.wording import describe_span, format_range
from pages.ui import goldfish, readers, training
from pages.ui.choice import link_settings
from tests.helpers.app import app, charts, fine, until, values
from tests.helpers.trainings import tiny

pytestmark = [pytest.mark.filterwarnings("ignore::ResourceWarning"), pytest.mark.usefixtures("no_runs")]

PAGE = "pages/lesson/choice.py"
SHIPPED = {cell: load_shipped(f"recall-{cell}") for cell in ("rnn", "lstm", "gru")}


def finished(*experiments):
    """Train experiments in the server's history; return their ids."""
    ids = [training.jobs().submit(experiment) for experiment in experiments]
    until(lambda: not training.jobs().under_way)
    return ids


def links(at):
    return {link.proto.label: link.proto for link in at.get("page_link")}


def shows(at, runs):
    """Check that the page shows these runs."""
    (figure,) = charts(at)
    for cell, run in runs.items():
        line = [trace for trace in figure["data"] if trace["name"] == cell.upper()][-1]
        trained = slice(None) if run.memory.trained is None else run.memory.trained
        np.testing.assert_allclose(values(line["y"])[trained], run.memory.value[trained])
    assert any(trace["name"] == "chance" for trace in figure["data"])
    assert f"## {choice_sentence(runs)}" in [text.value for text in at.markdown]
    table = at.table[0].value
    assert table.iloc[:, 0].tolist() == [cell.upper() for cell in runs]
    for row, run in zip(table.itertuples(index=False), runs.values(), strict=True):
        assert list(row)[1:] == [
            format_range(run.metric), describe_span(run.memory), f"{run.timing['parameters']:,.0f}",
        ]  # fmt: skip
    assert rule_sentences(runs) in " ".join(text.value for text in at.markdown)
    first = next(iter(runs.values())).experiment
    assert task_sentence(first) in [caption.value for caption in at.caption]


def test_without_a_history_it_shows_what_is_shipped():
    at = fine(app(PAGE))
    shows(at, SHIPPED)
    offered = at.selectbox(key="comparable").options
    assert offered[0] == describe_group(SHIPPED["lstm"].experiment, [*SHIPPED])
    assert [name.split(":")[0] for name in offered] == ["Recall", "Words", "Words"] and len({*offered}) == 3
    assert not links(at)["Train them yourself, on your task"].query_string


def test_the_word_models_are_another_task_to_compare_on():
    at = fine(app(PAGE))
    name = at.selectbox(key="comparable").options[1]
    shows(
        fine(at.selectbox(key="comparable").set_value(name).run()),
        {cell: load_shipped(f"words-english-{cell}") for cell in SHIPPED},
    )


def test_the_lesson_is_summed_up_by_what_its_stops_show_first():
    at = fine(app(PAGE))
    words = readers.last_sentence()
    traces = goldfish.trace(words, goldfish.KEEPS)
    kept = traces["rnn"].own[7] ** (1 / 7)
    assert recap_sentence(kept, 0.25) in [text.value for text in at.markdown]
    other = fine(app(PAGE, sentence="The cat sleeps in the house, and the dog sleeps too."))
    assert recap_sentence(kept, 0.25) not in [text.value for text in other.markdown]


def test_ones_own_runs_come_first_and_the_shipped_ones_stay():
    experiments = [tiny(cell=cell, forget_bias=None if cell == "rnn" else 2.0) for cell in ("gru", "rnn")]
    ids = finished(*experiments)
    at = fine(app(PAGE))
    own = {"rnn": training.load(ids[1]), "gru": training.load(ids[0])}
    shows(at, own)
    names = at.selectbox(key="comparable").options
    assert len(names) == 4 and "Forget bias 2.0" in names[0]
    assert "forget_bias=2.0" in links(at)["Train them yourself, on your task"].query_string
    compared = links(at)["Look closer: Compare"]
    assert "forget_bias=2.0" in compared.query_string and "lengths=6" in compared.query_string
    assert "&length=" not in compared.query_string
    fine(at.selectbox(key="comparable").set_value(names[1]).run())
    shows(at, SHIPPED)


def test_a_cell_alone_is_not_compared():
    (id,) = finished(tiny(task="adding", length=8))
    at = fine(app(PAGE))
    shows(at, {"gru": training.load(id)})


def test_a_run_that_is_not_finished_is_left_out():
    id = training.jobs().submit(tiny(steps=100_000, length=500))
    training.jobs().cancel(id)
    until(lambda: not training.jobs().under_way)
    shows(fine(app(PAGE)), SHIPPED)


def test_a_history_that_cannot_be_read_leaves_what_is_shipped(monkeypatch):
    def refuse():
        raise StoreError("it is damaged")

    fine(app(PAGE))
    monkeypatch.setattr(training.jobs(), "rows", refuse)
    at = fine(app(PAGE))
    shows(at, SHIPPED)
    assert any("history can't be read" in caption.value for caption in at.caption)


def test_a_damaged_run_is_left_out(monkeypatch):
    ids = finished(tiny(cell="lstm"), tiny(cell="gru"))
    run, load, damaged = training.load(ids[0]), training.load, ids[1:]

    def read(id):
        if id in damaged:
            raise StoreError("it is damaged")
        return load(id)

    monkeypatch.setattr(training, "load", read)
    at = fine(app(PAGE))
    shows(at, {"lstm": run})
    assert any(caption.value == "The run of the GRU can't be read." for caption in at.caption)
    damaged.append(ids[0])
    at = fine(app(PAGE))
    assert not charts(at) and "Measure a model of your own" in links(at)


def test_links_open_the_instruments_with_the_same_settings():
    experiment = SHIPPED["gru"].experiment.replace(hidden_size=8, task="words", text_file="chinese", forget_bias=1.0)
    at = fine(app("pages/measure/decay.py", **link_settings(experiment)))
    opened = at.session_state["settings"].experiments
    assert opened["gru"] == experiment and [*opened] == ["rnn", "lstm", "gru"]
    assert fine(app(PAGE, comparable="nonsense")).selectbox(key="comparable").index == 0
