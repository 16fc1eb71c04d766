"""Goldfish on the command line: train, or measure untrained or a model from a file, and look after kept runs."""

import os
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from analysis.cli import summary
from analysis.cli.arguments import (
    FORMATS,
    KEPT,
    RANDOM,
    STDOUT,
    experiment_from,
    inputs_from,
    layers_from,
    make_parser,
    parse_threshold,
    read_bytes,
)
from analysis.engine.cost import require_memory
from analysis.experiment import Experiment
from analysis.history.database import NoRunError, StoreError
from analysis.history.serialization import LARGEST
from analysis.history.store import Store, default_path
from analysis.jobs.pool import Jobs
from analysis.measures.memory import output_memory
from analysis.measures.meter import measure_untrained
from analysis.models.layers import NONLINEARITIES, measure_module, to_module
from analysis.report import documents, export, tables, wording
from analysis.report.commands import option_name, repeat_command
from analysis.results import Measured, Run, Snapshot
from analysis.tasks.registry import build_task
from analysis.training import trainer

FINISHED, ALL_DIVERGED, REFUSED, INTERRUPTED = 0, 1, 2, 130
READ = {*KEPT} - {"import"}  # these make no history
ANEW = "--no-store trains anew"
ERASE = "\r\x1b[K"


@dataclass(frozen=True)
class Outcome:
    """What a command found."""

    status: int
    summary: str
    document: Mapping[str, Any]
    curves: Sequence[tables.Curve]
    figures: Callable[[], Mapping[str, export.Figure]]


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    try:
        arguments = vars(make_parser().parse_args(argv))
        verb = arguments["verb"]
        if verb in ("runs", "export", "import", "delete"):
            with history(arguments) as jobs:
                if said := look_after(jobs, arguments):
                    print(said)
            return FINISHED
        return record_file(arguments) if verb == "record" else measure(verb, arguments)
    except (ValueError, ModuleNotFoundError, StoreError) as refusal:
        return fail(str(refusal))
    except OSError as error:
        return fail(f"{error.filename or 'standard output'}: {error.strerror or error}")
    except (MemoryError, RuntimeError) as error:  # torch's own kind of MemoryError is a RuntimeError
        if not isinstance(error, MemoryError) and "allocate memory" not in str(error):
            raise
        return fail("there is not enough memory: expected fewer seeds or units, or shorter sequences")
    except KeyboardInterrupt:
        return fail("interrupted", INTERRUPTED)


def measure(verb: str, arguments: Mapping[str, Any]) -> int:
    """Train or resume a run, or measure untrained, and write what was found."""
    experiment = None if verb == "resume" else experiment_from(arguments)
    threshold = parse_threshold(arguments.get("threshold", "0.01"))
    targets = {format_: arguments[format_] for format_ in FORMATS if arguments[format_] is not None}
    require_writable(targets, arguments)
    if experiment:
        require_memory(experiment, build_task(experiment), training=verb == "train")
    keeping = verb != "decay" and not arguments.get("no_store")
    with history(arguments, required=verb == "resume") if keeping else nullcontext() as jobs:
        if experiment is None:
            row = jobs.row(arguments["id"])
            row.require_text()
            experiment = row.experiment
        outcome = (
            untrained(experiment, threshold) if verb == "decay" else trained(experiment, arguments.get("id"), jobs)
        )
    return finish(outcome, targets, repeat_command(experiment, "decay" if verb == "decay" else "train"))


def record_file(arguments: Mapping[str, Any]) -> int:
    """Measure a model from a file, and write what was found."""
    targets = {format_: arguments[format_] for format_ in FORMATS if arguments[format_] is not None}
    require_writable(targets, arguments)
    outcome = recorded(arguments, parse_threshold(arguments["threshold"]))
    named = [name for name in ("data", "layer", "nonlinearity", *RANDOM) if arguments[name] is not None]
    options = [word for name in named for word in (option_name(name), arguments[name])]
    options += ["--time-first"] * arguments["time_first"]
    words = ["python", "-m", "analysis", "record", arguments["weights"], *options]
    return finish(outcome, targets, shlex.join(words))


def finish(outcome: Outcome, targets: Mapping[str, str], command: str) -> int:
    """Say and write what was found; return the exit status."""
    show("")
    print(outcome.summary, file=sys.stderr if STDOUT in targets.values() else sys.stdout)
    try:
        write(outcome, targets, command)
    except OSError as error:
        return fail(str(error))
    return outcome.status


@contextmanager
def history(arguments: Mapping[str, Any], *, required: bool = True) -> Iterator[Jobs]:
    """Open the history of runs; where it can't be used, say so, or refuse where it is required or was named."""
    if arguments["store"] and arguments["verb"] in READ and not os.path.exists(os.path.expanduser(arguments["store"])):
        raise StoreError(f"{arguments['store']}: no such file: expected a history of runs")
    reads = arguments["verb"] in ("runs", "export")
    with Jobs(arguments["store"], workers=0) as jobs:
        if jobs.trouble and (required or arguments["store"]) and not (reads and jobs.store):
            raise StoreError(jobs.trouble)
        yield jobs
        for reason in {row.unsaved for row in jobs.rows() if row.unsaved}:
            note(f"this run is not kept: {reason}")


def look_after(jobs: Jobs, arguments: Mapping[str, Any]) -> str:
    """Do what was asked with the runs that are kept; return what there is to say."""
    verb = arguments["verb"]
    if verb == "runs":
        damaged: list[str] = []
        rows = jobs.store.rows(damaged)
        for what in damaged:
            note(what)
        if arguments["json"]:
            return documents.to_json([row.as_dict() for row in rows]).rstrip()
        return "\n".join([*map(summary.describe_row, rows), *watched(jobs.store)]) or "No run is kept."
    try:
        if verb == "import":
            here = {row.id for row in jobs.rows()}
            id = jobs.import_(read_bytes(arguments["file"], LARGEST))
            return f"Run {id} is here already." if id in here else f"Imported as run {id}."
        if verb == "export":
            require_other(arguments["file"], arguments)
            if arguments["file"] == STDOUT:
                sys.stdout.buffer.write(jobs.export(arguments["id"]))
                return ""
            Path(arguments["file"]).write_bytes(jobs.export(arguments["id"]))
            return f"Exported to {arguments['file']}."
    except OSError as error:
        raise ValueError(f"{arguments['file']}: {error.strerror}") from None
    return delete(jobs, arguments["id"])


def delete(jobs: Jobs, id: str) -> str:
    """Delete a run, or a watched model."""
    try:
        jobs.delete(id)
        return f"Deleted run {id}."
    except NoRunError:
        if id not in jobs.store.watched():
            raise
    jobs.store.delete_watched(id)
    return f"Deleted watched model {id}."


def watched(store: Store) -> Iterator[str]:
    """Say in a line each what the watched models are, or what is wrong with them."""
    for id in store.watched():
        try:
            yield summary.describe_watched(id, store.load_watched(id))
        except StoreError as error:
            yield str(error)


def fail(line: str, status: int = REFUSED) -> int:
    """Say what was wrong; return the exit status."""
    note(line)
    return status


def note(line: str) -> None:
    """Say something in one line on standard error."""
    show("")
    print("goldfish:", " ".join(line.split()), file=sys.stderr)


def show(line: str) -> None:
    """Show a line of progress in place of the one before, where someone is watching."""
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns - 1
        print(ERASE + line[:width], end="", file=sys.stderr, flush=True)


def require_other(target: str, arguments: Mapping[str, Any]) -> None:
    """Refuse an output that would overwrite the history."""
    path = Path(arguments.get("store") or default_path()).expanduser()
    if path.exists() and Path(target).exists() and path.samefile(target):
        raise ValueError(f"{target} is the history of runs: expected another file")


def require_writable(targets: Mapping[str, str], arguments: Mapping[str, Any]) -> None:
    """Refuse an output that can't be written, or overwrites another or the history, before any work is done."""
    if len(set(targets.values())) < len(targets):
        raise ValueError(f"{' and '.join(targets)}: expected a different output for each")
    for format_, target in targets.items():
        path = Path(target)
        try:
            if target != STDOUT and not path.is_fifo():
                require_other(target, arguments)
                existed = path.exists()
                path.open("ab").close()
                if not existed:
                    path.unlink()
        except (OSError, ValueError) as error:  # ValueError: a null character in the name
            reason = getattr(error, "strerror", None) or error
            raise ValueError(f"{format_}={target}: expected a file that can be written: {reason}") from None


def write(outcome: Outcome, targets: Mapping[str, str], command: str) -> None:
    """Write what was asked for where it was asked for."""
    for format_, target in targets.items():
        if format_ == "json":
            text = documents.to_json(outcome.document)
        elif format_ == "csv":
            text = tables.decay_csv(*outcome.curves)
        else:
            text = export.html(outcome.figures(), "Goldfish", f"{outcome.summary}\n\n{command}\n")
        if target == STDOUT:
            print(text, end="", flush=True)
        else:
            Path(target).write_bytes(text.encode())


def train(experiment: Experiment, id: str | None, watch: Callable[[Snapshot], None], jobs: Jobs | None) -> Run:
    """Train an experiment, or go on with a run; where there is a history, keep it, or join what is kept, and say so."""
    if jobs is None:
        return trainer.train(experiment, watch)
    if id:
        return jobs.train_here(id, watch)[1]
    row, anew = jobs.find(experiment), False
    if row and row.status == "finished":
        try:
            run = jobs.load(row.id)
            note(f"trained on {row.created[:10]}, run {row.id}; {ANEW}")
            return replace(run, experiment=experiment)  # whose text may have another path
        except StoreError as error:
            note(str(error))
            anew = True
    elif row:
        stopped = f"{row.status} at step {row.step}, going on with it"
        note(f"run {row.id}: {'another process trains it, waiting for it' if row.live else stopped}; {ANEW}")
    _, run = jobs.train_here(experiment, watch, anew=anew)
    return replace(run, experiment=experiment)


def trained(experiment: Experiment, id: str | None, jobs: Jobs | None) -> Outcome:
    """Train an experiment, or go on with its run, showing how it goes."""
    metric_name = build_task(experiment).metric_name

    def watch(snapshot: Snapshot) -> None:
        loss, metric = wording.format_range(snapshot.loss), wording.format_range(snapshot.metric)
        show(f"step {snapshot.step}/{experiment.steps}, loss {loss}, {metric_name} {metric}")

    run, cell = train(experiment, id, watch, jobs), experiment.cell

    def figures() -> Mapping[str, export.Figure]:
        from analysis.figures import bounds, decay, gates, memory, timeline

        carry = {} if run.carry is None else {cell: run.carry}
        drawn = {
            "decay": decay.decay({cell: run.after}, before={cell: run.before}, carry=carry),
            "memory": memory.memory({cell: run.memory}),
            "timeline": timeline.timeline({cell: run}),
            "bounds": bounds.sizes({experiment.activation: run.measured_after.bounds}),
        }
        if run.measured_after.saturation:
            after, before = ({cell: part.saturation} for part in (run.measured_after, run.measured_before))
            drawn["gates"] = gates.histograms(after, before)
        return drawn

    curves = [(experiment, "before", run.before), *curves_of(experiment, "after", run.measured_after)]
    status = ALL_DIVERGED if run.status == "diverged" else FINISHED
    return Outcome(status, summary.describe_run(run), documents.run_document(run), curves, figures)


def untrained(experiment: Experiment, threshold: float) -> Outcome:
    """Measure an experiment before any training, showing how it goes."""
    measured = measure_untrained(experiment, threshold, lambda done: show(f"measured {done:.0%}"))
    text = summary.describe_decay(f"{summary.experiment_title(experiment)}, untrained", measured.decay)
    document = documents.measured_document({"experiment": experiment}, measured)
    figures = partial(figures_of, experiment.cell, experiment.activation, measured)
    return Outcome(status_of(measured), text, document, curves_of(experiment, "before", measured), figures)


def recorded(arguments: Mapping[str, Any], threshold: float) -> Outcome:
    """Measure the recurrent layers in a file on inputs from another, or random ones."""
    found = layers_from(arguments)
    cell, nonlinearity = found.cell, arguments["nonlinearity"] or "tanh"
    if arguments["nonlinearity"] not in (None, *(NONLINEARITIES if cell == "rnn" else ("tanh",))):
        raise ValueError(f"nonlinearity={nonlinearity}: expected tanh or relu for an RNN, tanh for the others")
    module = to_module(found, nonlinearity)
    inputs, read, cut, about = inputs_from(arguments, found)
    measured, _ = measure_module(module, inputs, threshold)
    model = {
        "file": arguments["weights"], "layer": found.name, "cell": cell, "input_size": found.input_size,
        "hidden_size": found.hidden_size, "layers": found.layers, "bias": found.bias, "nonlinearity": nonlinearity,
        "part": found.part,
    }  # fmt: skip
    about = {"model": model, "inputs": about | {"shape": inputs.shape, "note": cut}}
    document = documents.measured_document(about | {"memory": output_memory(module, inputs)}, measured)
    text = "\n".join(filter(None, [read, cut, summary.describe_decay(found.label, measured.decay)]))
    curves = curves_of(Experiment(cell=cell), "recorded", measured)
    return Outcome(status_of(measured), text, document, curves, partial(figures_of, cell, nonlinearity, measured))


def status_of(measured: Measured) -> int:
    """Return the exit status: whether any model stayed in the finite range."""
    return ALL_DIVERGED if measured.decay.excluded == len(measured.decay.horizons) else FINISHED


def curves_of(experiment: Experiment, phase: str, measured: Measured) -> list[tables.Curve]:
    """Return the decay of the memory state, and through its gate alone where there is one."""
    return [(experiment, phase, measured.decays[of]) for of in ("memory", "carry") if of in measured.decays]


def figures_of(cell: str, activation: str, measured: Measured) -> Mapping[str, export.Figure]:
    """Draw what was measured once."""
    from analysis.figures import bounds, decay, gates

    carry = {cell: measured.decays["carry"]} if "carry" in measured.decays else {}
    drawn = {
        "decay": decay.decay({cell: measured.decay}, carry=carry),
        "bounds": bounds.sizes({activation: measured.bounds}),
    }
    return drawn | ({"gates": gates.histograms({cell: measured.saturation})} if measured.saturation else {})


def run() -> NoReturn:
    """Run the command that was typed and end the process with its exit status."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # a console that lacks a sign shows a question mark
    status = main()
    try:
        sys.stdout.flush()
    except OSError as error:  # a closed pipe, a full disk: nothing is left to be said there
        status = fail(f"standard output: {error.strerror}")
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(status)
