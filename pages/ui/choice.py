"""What the lesson's last stop shows: runs that can be compared, one picture and one table of them."""

from collections.abc import Mapping

import streamlit as st

from analysis.experiment import CELLS, SETTINGS, TEXTS, Experiment
from analysis.figures.memory import memory
from analysis.history.comparable import Group, group_comparable
from analysis.history.database import StoreError
from analysis.history.shipped import find_shipped
from analysis.language import join_sentences, mark
from analysis.language import translate as _
from analysis.report.sentences.choice import (
    choice_sentence,
    describe_group,
    recap_sentence,
    rule_sentences,
    task_sentence,
)
from analysis.report.wording import describe_span, format_number, format_range
from analysis.results import Run
from analysis.sources import FILE_SETTINGS
from pages.ui import cell, compare_plan, goldfish, layout, readers, session, training

LINES = {
    True: mark("Lines: one network each."),
    False: mark(
        "Lines and the table: the median of several networks; bands and brackets: from the lowest to the highest."
    ),
}  # by whether there is one of each kind
LEGEND = mark(
    "Chance: what guessing gets. Memory span: up to how many steps back the answers stay better than halfway between "
    "guessing and their best."
)
LESS = {
    "mse": mark("mse: the mean squared error, the less the better."),
    "nats": mark("Nats: a unit of surprise, the less the better."),
}  # by the first word of a metric's name
ONLY_HERE = mark("Another task can rank them otherwise.")


def groups() -> list[Group]:
    """Return the groups of finished runs in the history, the newest first, and those that are shipped."""
    own: list[tuple[str, Experiment]] = []
    try:
        own = [(row.id, row.experiment) for row in training.jobs().rows() if row.status == "finished"]
    except StoreError:
        st.caption(_("The history can't be read: these are the runs that came with Goldfish."))
    of_words = [each for text in TEXTS for each in readers.experiments_on(text).values()]
    offered = [*(Experiment(cell=cell) for cell in CELLS), *of_words]
    shipped = [(id, each) for each in offered if (id := find_shipped(each))]
    return group_comparable([*own, *shipped])


def choose(found: list[Group]) -> Group:
    """Ask for a group; the newest at first."""
    by_name = {describe_group(group.first, [*group.ids]): group for group in reversed(found)}
    names = [*by_name][::-1]
    chosen = st.selectbox(_("Experiment"), names, key="comparable", label_visibility="collapsed")
    return by_name[chosen or names[0]]


def load(group: Group) -> dict[str, Run]:
    """Return a group's runs by cell; one that can't be read is left out, and said."""
    runs = {}
    for name, id in group.ids.items():
        try:
            runs[name] = training.load(id)
        except StoreError:
            st.caption(_("The run of the {cell} can't be read.").format(cell=name.upper()))
    return runs


def show(group: Group, runs: Mapping[str, Run]) -> None:
    """Show runs of one task: their answers by distance, which did best, and a table."""
    st.caption(task_sentence(group.first))
    picture, said = st.columns([6, 5], vertical_alignment="center")
    with picture:
        subject = f"choice {group.ids}"
        memories = {cell: run.memory for cell, run in runs.items()}
        layout.chart(layout.kept(subject, lambda: memory(memories, height=206)), "choice", _("Answers by distance"))
    with said:
        layout.says(choice_sentence(runs))
        st.markdown(join_sentences(rule_sentences(runs), _(ONLY_HERE)))
    first = next(iter(runs.values()))
    metric = _("{metric} (chance {chance})").format(metric=_(first.metric_name), chance=format_number(first.chance))
    rows = {
        metric: [format_range(run.metric) for run in runs.values()],
        _("memory span"): [describe_span(run.memory) for run in runs.values()],
        _("numbers to learn (sizes not as at stop 6)"): [f"{run.timing['parameters']:,.0f}" for run in runs.values()],
    }
    columns = dict(zip((cell.upper() for cell in runs), zip(*rows.values(), strict=True), strict=True))
    st.table(
        {_("Cell"): [*columns]} | dict(zip(rows, rows.values(), strict=True)), hide_index=True, border="horizontal"
    )
    less = LESS.get(first.metric_name.split()[0])
    st.caption(join_sentences(*map(_, filter(None, (LINES[group.first.seeds == 1], LEGEND, less)))))


def sum_up() -> None:
    """Sum the lesson up, with the numbers that its stops show first for the sentence that was read last."""
    words = readers.last_sentence()
    traces = goldfish.trace(words, goldfish.KEEPS)
    word = readers.word_track(traces["rnn"].words).first
    if word:
        costs = {name: cell.cell_cost(each)["parameters"] for name, each in readers.experiments(words).items()}
        kept = traces["rnn"].per_turn(word)
        st.markdown(recap_sentence(kept, 1 - costs["gru"] / costs["lstm"]))


def show_links(group: Group) -> None:
    """Link to where a visitor trains the cells with a group's settings, and to where a model of their own is read."""
    st.page_link(
        "pages/measure/decay.py", label=_("Train them yourself, on your task"), icon=":material/play_arrow:",
        query_params=link_settings(group.first) or None,
    )  # fmt: skip
    st.page_link(
        "pages/measure/model.py", label=_("Measure a model of your own"), icon=":material/upload_file:"
    )  # fmt: skip


def compare_settings(experiment: Experiment) -> dict[str, str]:
    """Return what a link to Compare says of an experiment: its settings, and its length where that page offers others.

    Compare asks for lengths itself.
    """
    named = link_settings(experiment)
    length = named.pop("length", str(experiment.task_length))
    return named | ({} if length in compare_plan.LENGTHS.split(", ") else {"lengths": length})


def link_settings(experiment: Experiment) -> dict[str, str]:
    """Return what a link to an instrument's page says of an experiment, for all cells."""
    named = {
        name: str(getattr(experiment, name))
        for name, setting in SETTINGS.items()
        if name not in ("cell", *FILE_SETTINGS) and getattr(experiment, name) != setting.default
    }
    text = {session.TEXT.name: experiment.text_file} if experiment.text_file in TEXTS else {}
    return named | text
