"""What would make it remember: the untrained horizon with one setting changed at a time, and its price."""

from collections.abc import Mapping
from functools import partial

import streamlit as st

from analysis.experiment import SETTINGS, Experiment
from analysis.figures import advice as figures
from analysis.history.database import StoreError
from analysis.history.shipped import find_shipped, load_shipped
from analysis.measures.advice import VALUES, advice_seconds, measure_trial, try_setting, variations
from analysis.measures.preview import without_training
from analysis.reasons import Advice, Trial, Value
from analysis.report.reasons import trials_csv
from analysis.report.sentences import advice as sentences
from analysis.report.sentences.estimate import describe_duration
from analysis.report.tables import Tables
from analysis.tasks.registry import build_task
from pages.ui import layout, session, sidebar, training
from pages.ui.why import Subject

PATIENCE = 6  # seconds of measuring, drawn as it comes, before which the page asks
Metric = list[float | None]  # of a run's models
Trials = dict[str, dict[Value, Trial]]  # by cell and value
Metrics = dict[str, dict[Value, Metric]]  # by cell and value
READ_ADVICE = (
    "Models as they start, with one setting changed at a time; the dotted line is your setting. Above: the horizon, "
    "the median and the range over seeds; a cross is a gradient that explodes. Price: how much the last memory state "
    "moves with a recurrent weight (root mean square of the derivative, exact). What is remembered longer moves more, "
    "and is harder to train (Zucchet and Orvieto 2024), unless less is let in: a gate that keeps nearly all stores "
    "little. Of changes that reach as far, the cheapest is named. A longer horizon is no promise that it "
    "learns: where your history has finished runs of several values and all other settings alike, dots below say what "
    "they got."
)


def show_advice(subject: Subject) -> Tables:
    """Draw a picture for each setting as soon as it is measured; say what would help most; return the table of all."""
    if not _is_soon(subject.experiments):
        return {}
    place, columns = st.container(), st.columns(2)
    progress = place.empty()
    finished = _finished(subject.experiments)
    tried: dict[str, Trials] = {}
    metrics: dict[str, Metrics] = {}
    for number, setting in enumerate(VALUES):
        progress.progress(number / len(VALUES), f"Measuring: {SETTINGS[setting].label.lower()} …")
        trials = {cell: try_setting(each, setting, _measured) for cell, each in subject.experiments.items()}
        if trials := {cell: by_value for cell, by_value in trials.items() if by_value}:
            tried[setting], metrics[setting] = trials, _metrics(subject.experiments, setting, finished)
            with columns[(len(tried) - 1) % len(columns)]:
                _draw(subject, setting, trials, metrics[setting])
    advices = {
        cell: Advice(_measured(each), {setting: trials[cell] for setting, trials in tried.items() if cell in trials})
        for cell, each in subject.experiments.items()
    }
    progress.empty()
    _known().update(map(without_training, subject.experiments.values()))
    with place:
        layout.says(sentences.best_sentence(advices))
        runs = {cell: {setting: by_cell[cell] for setting, by_cell in metrics.items()} for cell in advices}
        lines = (sentences.advice_sentence(cell, advice, runs[cell]) for cell, advice in advices.items())
        st.markdown(layout.lines(line for line in lines if line))
        st.caption("Press a dot to take its value over.")
    st.caption(READ_ADVICE + f" {sentences.CUT_ADVICE}" * bool(subject.truncate))
    return {"advice": partial(trials_csv, advices)}


def _is_soon(experiments: Mapping[str, Experiment]) -> bool:
    """Return whether it was measured before, takes little time or was asked for; else offer it, and say how long."""
    starts = {without_training(each) for each in experiments.values()}
    seconds = sum(map(advice_seconds, starts - _known()))
    if seconds <= PATIENCE or starts <= session.MEASURE_ANYWAY.get():
        return True
    st.markdown(f"To measure what would help takes about {describe_duration(seconds)}.")
    st.button(
        "Measure anyway", key="advise_anyway", icon=":material/hourglass_top:",
        on_click=session.MEASURE_ANYWAY.get().update, args=(starts,),
    )  # fmt: skip
    return False


@st.cache_resource(show_spinner=False)
def _known() -> set[Experiment]:
    """Return whose advice any visitor's page has measured."""
    return set()


def _measured(experiment: Experiment) -> Trial:
    return _trial(without_training(experiment))


@st.cache_resource(max_entries=1000, show_spinner="Measuring …", hash_funcs={Experiment: repr})
def _trial(experiment: Experiment) -> Trial:
    return measure_trial(experiment)


def _draw(subject: Subject, setting: str, trials: Trials, metrics: Metrics) -> None:
    """Draw one setting's picture, whose dots can be pressed."""
    present = _present(subject.experiments, trials, setting)
    metric_name = build_task(next(iter(subject.experiments.values()))).metric_name
    name = f"advice-{setting}".replace("_", "-")
    picture = layout.kept(
        f"{name} {subject.experiments} {metrics}",
        lambda: figures.setting(setting, trials, present, metrics, metric_name),
    )
    subject.pictures[name] = picture
    label = SETTINGS[setting].label
    pick = partial(_take_over, setting, figures.values_of(trials))
    layout.chart(picture, name, f"Horizon and price by {label.lower()}", on_pick=pick)


def _present(experiments: Mapping[str, Experiment], trials: Trials, setting: str) -> Value:
    """Return the present value in the cell that has most values: an RNN ignores what is of gates."""
    experiment = experiments[max(trials, key=lambda cell: len(trials[cell]))]
    return experiment.task_length if setting == "length" else getattr(experiment, setting)


def _take_over(setting: str, values: list[Value], clicked: str) -> None:
    """Set the sidebar's widget to the value whose dot was pressed."""
    if clicked.isdigit():
        sidebar.put({setting: values[int(clicked)]})


def _finished(experiments: Mapping[str, Experiment]) -> dict[Experiment, Metric]:
    """Return the metric of each finished run, by its experiment; of shipped ones, those of these experiments."""
    found: dict[Experiment, Metric] = {}
    for each in experiments.values():
        if id := find_shipped(each):
            found[each] = load_shipped(id).metric.tolist()
    try:
        rows = training.jobs().rows()
    except StoreError:
        return found
    return found | {row.experiment: row.metric for row in rows if row.status == "finished" and row.metric}


def _metrics(experiments: Mapping[str, Experiment], setting: str, finished: Mapping[Experiment, Metric]) -> Metrics:
    """Return by cell and value of a setting what finished runs got, all other settings alike."""
    return {
        cell: {value: finished[each] for value, each in variations(experiment, setting).items() if each in finished}
        for cell, experiment in experiments.items()
    }
