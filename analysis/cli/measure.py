"""The commands that measure an experiment: train, resume, decay."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from analysis.answers import Answers
from analysis.cli import summary
from analysis.cli.arguments import parse_threshold
from analysis.cli.output import (
    ALL_DIVERGED,
    FINISHED,
    Outcome,
    print_note,
    show_progress,
    writable_targets,
    write_outcome,
)
from analysis.cli.requests import read_request
from analysis.cli.runs import require_existing_history
from analysis.experiment import Experiment
from analysis.history.database import StoreError
from analysis.jobs.pool import Jobs
from analysis.measures.meter import measure_untrained
from analysis.measures.theory import predicted_decay
from analysis.reasons import Prediction
from analysis.report import documents, export, tables, wording
from analysis.report.commands import repeat_command
from analysis.report.sentences.training import time_columns_sentence
from analysis.results import THRESHOLD, Measured, Run, Snapshot
from analysis.tasks.registry import build_task
from analysis.tasks.series import time_columns
from analysis.training import trainer

ANEW = "--no-store trains anew"


def measure_experiment(verb: str, arguments: Mapping[str, Any]) -> int:
    """Train or resume a run, or measure untrained models; write the result and return the exit status."""
    if verb == "resume":
        return _resume(arguments)
    threshold = parse_threshold(arguments["threshold"]) if verb == "decay" else THRESHOLD
    experiment, targets = read_request(arguments, training=verb == "train")
    print_time_columns(experiment)
    if verb == "decay":
        outcome = untrained_outcome(experiment, threshold, theory=arguments["theory"])
    elif arguments["no_store"]:
        outcome = trained_outcome(experiment, trainer.train)
    else:
        with open_jobs(arguments["store"], required=bool(arguments["store"])) as jobs:
            outcome = trained_outcome(experiment, partial(train_or_join, jobs))
    return write_outcome(outcome, targets, repeat_command(experiment, verb))


def print_time_columns(experiment: Experiment) -> None:
    """Print a note on columns of the user's series that are a time, and would be forecast."""
    if names := time_columns(experiment.data_file, experiment.columns):
        print_note(time_columns_sentence(names))


def _resume(arguments: Mapping[str, Any]) -> int:
    """Resume a run that stopped; write the result and return the exit status."""
    targets, id = writable_targets(arguments), arguments["id"]
    require_existing_history(arguments["store"])
    with open_jobs(arguments["store"], required=True) as jobs:
        row = jobs.row(id)
        row.require_text()

        def resume(experiment: Experiment, on_snapshot: Callable[[Snapshot], None]) -> Run:
            return jobs.train_here(id, on_snapshot)[1]

        outcome = trained_outcome(row.experiment, resume)
    return write_outcome(outcome, targets, repeat_command(row.experiment))


@contextmanager
def open_jobs(store: str | None, *, required: bool) -> Iterator[Jobs]:
    """Open the history for training in this process; at the end, print why a run could not be saved, if so.

    Raises:
        StoreError: where the history can't be used although it is required. Otherwise runs are kept in memory.
    """
    with Jobs(store, workers=0) as jobs:
        if jobs.trouble and required:
            raise StoreError(jobs.trouble)
        yield jobs
        for reason in {row.unsaved for row in jobs.rows() if row.unsaved}:
            print_note(f"this run is not kept: {reason}")


def train_or_join(jobs: Jobs, experiment: Experiment, on_snapshot: Callable[[Snapshot], None]) -> Run:
    """Train an experiment, or join the run of the same settings in the history; print which of these is done."""
    row, anew = jobs.find(experiment), False
    if row and row.status == "finished":
        try:
            run = jobs.load(row.id)
            print_note(f"trained on {row.created[:10]}, run {row.id}; {ANEW}")
            return replace(run, experiment=experiment)  # the same text may have another path now
        except StoreError as error:
            print_note(str(error))
            anew = True
    elif row:
        stopped = f"{row.status} at update {row.step}, going on with it"
        print_note(f"run {row.id}: {'another process trains it, waiting for it' if row.live else stopped}; {ANEW}")
    _, run = jobs.train_here(experiment, on_snapshot, anew=anew)
    return replace(run, experiment=experiment)


def trained_outcome(experiment: Experiment, train: Callable[[Experiment, Callable[[Snapshot], None]], Run]) -> Outcome:
    """Train an experiment by `train`, showing its progress; return the result."""
    metric_name = build_task(experiment).metric_name

    def show_snapshot(snapshot: Snapshot) -> None:
        loss, metric = wording.format_range(snapshot.loss), wording.format_range(snapshot.metric)
        show_progress(f"update {snapshot.step}/{experiment.steps}, loss {loss}, {metric_name} {metric}")

    run = train(experiment, show_snapshot)
    return Outcome(
        status=ALL_DIVERGED if run.status == "diverged" else FINISHED,
        summary=summary.describe_run(run),
        document=documents.run_document(run),
        curves=[(experiment, "before", run.before), *decay_curves(experiment, "after", run.measured_after)],
        figures=lambda: _run_figures(run),
    )


def _run_figures(run: Run) -> dict[str, export.Figure]:
    """Draw a trained run."""
    from analysis.figures import bounds, decay, gates, memory, timeline

    cell, before, after = run.experiment.cell, run.measured_before, run.measured_after
    carry = {} if run.carry is None else {cell: run.carry}
    figures = {
        "decay": decay.decay({cell: run.after}, before={cell: run.before}, carry=carry),
        "memory": memory.memory({cell: run.memory}),
        "timeline": timeline.timeline({cell: run}),
        "bounds": bounds.sizes({run.experiment.activation: after.bounds}),
    }
    if after.saturation:
        figures["gates"] = gates.histograms({cell: after.saturation}, {cell: before.saturation})
    return figures


def untrained_outcome(experiment: Experiment, threshold: float, *, theory: bool = False) -> Outcome:
    """Measure an experiment before any training, showing progress; return the result, with a prediction if asked."""
    measured = measure_untrained(experiment, threshold, lambda done: show_progress(f"measured {done:.0%}"))
    about: dict[str, Any] = {"experiment": experiment}
    predictions: dict[str, Prediction] = {}
    lines = [summary.describe_decay(f"{summary.experiment_title(experiment)}, untrained", measured.decay)]
    if theory:
        about["theory"] = predictions[experiment.cell] = predicted_decay(experiment)
        lines.append(summary.describe_prediction(about["theory"]))
    return Outcome(
        status=exit_status(measured),
        summary="\n".join(lines),
        document=documents.measured_document(about, measured),
        curves=decay_curves(experiment, "before", measured),
        figures=lambda: measured_figures(experiment.cell, experiment.activation, measured, predictions),
    )


def exit_status(measured: Measured) -> int:
    """Return the exit status, which tells whether any model stayed in the finite range."""
    return ALL_DIVERGED if measured.decay.excluded == len(measured.decay.horizons) else FINISHED


def decay_curves(experiment: Experiment, phase: str, measured: Measured) -> list[tables.Curve]:
    """Return the decay of the memory state, and that through the gate alone where the cell has one."""
    return [(experiment, phase, measured.decays[of]) for of in ("memory", "carry") if of in measured.decays]


def measured_figures(
    cell: str, activation: str, measured: Measured, predictions: Mapping[str, Prediction] | None = None
) -> dict[str, export.Figure]:
    """Draw models that were measured once, with what theory predicts of the cell if given."""
    from analysis.figures import bounds, decay, gates

    carry = {cell: measured.decays["carry"]} if "carry" in measured.decays else {}
    figures = {
        "decay": decay.decay({cell: measured.decay}, carry=carry, predictions=predictions),
        "bounds": bounds.sizes({activation: measured.bounds}),
    }
    if measured.saturation:
        figures["gates"] = gates.histograms({cell: measured.saturation})
    return figures


def answer_figures(cell: str, found: Answers, layer: int) -> dict[str, export.Figure]:
    """Draw the answers on a model; what is in force is that of a layer, -1 the top."""
    from analysis.figures import in_force, influence, look_back

    figures = {
        "look-back": look_back.look_back(found.look_back, cell),
        "eigenvalues": in_force.eigenvalues(found.in_force, layer),
        "inputs-by-distance": influence.influence_by_distance(found.influence, cell),
        "inputs-by-column": influence.influence_by_column(found.influence),
    }
    if found.time_scales is not None and found.in_force.gate:
        figures["time-scales"] = in_force.unit_time_scales(found.time_scales[:, layer], found.in_force.gate)
    return figures
