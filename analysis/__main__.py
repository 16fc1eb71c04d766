"""Goldfish on the command line: train, or measure untrained or a model from a file, and look after kept runs."""

import os
import shlex
import shutil
import sys
from argparse import SUPPRESS, ArgumentParser
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from torch import Tensor

from analysis import export, training, wording
from analysis.capacity import require_memory
from analysis.config import SETTINGS, Experiment, expected, kind
from analysis.database import StoreError
from analysis.files import LARGEST
from analysis.jobs import Jobs
from analysis.loading import (
    NONLINEARITIES,
    SEQUENCES,
    STEPS,
    Found,
    fit_inputs,
    measure_module,
    random_inputs,
    read_inputs,
    read_recurrent,
    reading,
    to_module,
)
from analysis.measuring import measure_untrained
from analysis.memory import output_memory
from analysis.results import Decay, Run, Snapshot
from analysis.store import Row, Store
from analysis.tasks import build

FINISHED, ALL_DIVERGED, REFUSED, INTERRUPTED = 0, 1, 2, 130
FORMATS = {
    "json": "everything measured, as JSON",
    "csv": "the decay curves, as CSV",
    "html": "the figures, as one page for a browser",
}
KEPT = {
    "runs": "list the runs that are kept",
    "resume": "go on with a run that was interrupted or cancelled, or that failed",
    "export": "write a run to a file",
    "import": "take in a run from a file",
    "delete": "delete a run",
}
READ = {*KEPT} - {"import"}  # these make no history
RANDOM = {  # option: its type, default and what it says
    "steps": (int, 100, f"Random inputs: steps, from 2 to {STEPS}"),
    "sequences": (int, 16, f"Random inputs: how many sequences, from 1 to {SEQUENCES}"),
    "variance": (float, 1.0, "Random inputs: their variance"),
    "seed": (int, 0, "Random inputs: their seed"),
}
STDOUT = "-"
ERASE = "\r\x1b[K"


class Parser(ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Refuse what was typed."""
        raise ValueError(message)


@dataclass(frozen=True)
class Outcome:
    """What a command found."""

    status: int
    summary: str
    document: Mapping[str, Any]
    curves: Sequence[export.Curve]
    figures: Callable[[], Mapping[str, export.Figure]]


def parser() -> Parser:
    """Make the parser: an option for every setting, and where to write."""
    whole = Parser(prog="python -m analysis", description=__doc__, allow_abbrev=False)
    commands = whole.add_subparsers(
        dest="verb", required=True, metavar="{train,decay} or {" + ",".join(["record", *KEPT]) + "}"
    )
    for verb, about in (("train", "train models and measure them"), ("decay", "measure models untrained")):
        command = commands.add_parser(verb, help=about, description=f"{about.capitalize()}.", allow_abbrev=False)
        settings = command.add_argument_group("settings")
        for name in SETTINGS:
            settings.add_argument(_option(name), default=SUPPRESS, metavar="VALUE", help=_help(name))
        if verb == "decay":
            _add_threshold(settings)
        _add_output(command)
        if verb == "train":
            _add_store(command).add_argument("--no-store", action="store_true", help="Keep this run nowhere")
    _add_record(commands.add_parser("record", help="measure a model of your own", allow_abbrev=False))
    for verb, about in KEPT.items():
        command = commands.add_parser(verb, help=about, description=f"{about.capitalize()}.", allow_abbrev=False)
        if verb in ("resume", "export", "delete"):
            command.add_argument("id", metavar="ID", help="The run, as `runs` lists it")
        if verb in ("export", "import"):
            command.add_argument("file", metavar="FILE", help="The file of one run")
        if verb == "runs":
            command.add_argument("--json", action="store_true", help="Print them as JSON")
        if verb == "resume":
            _add_output(command)
        _add_store(command)
    return whole


def _add_record(command: ArgumentParser) -> None:
    command.description = "Measure the recurrent layers in a state dict; nothing in the files is executed."
    command.add_argument("weights", metavar="WEIGHTS", help="The state dict: .safetensors, .pt or .pth")
    command.add_argument("--data", metavar="FILE", help="Inputs (T, D) or (N, T, D): .npy, .npz or .csv; else random")
    command.add_argument("--time-first", action="store_true", help="Inputs of three axes are (T, N, D)")
    command.add_argument("--layer", metavar="NAME", help="Which layers, where there are several")
    command.add_argument("--nonlinearity", metavar="VALUE", help="Of an RNN: tanh or relu; default tanh")
    for name, (_, default, what) in RANDOM.items():
        command.add_argument(_option(name), metavar="VALUE", help=f"{what}; default {default}")
    _add_threshold(command)
    _add_output(command)


def _add_threshold(settings: Any) -> None:  # noqa: ANN401
    what = "Share of the gradient that the horizon asks for: a number above 0, at most 1; default 0.01"
    settings.add_argument("--threshold", default="0.01", metavar="VALUE", help=what)


def _add_output(command: ArgumentParser) -> None:
    output = command.add_argument_group("output")
    for format_, what in FORMATS.items():
        output.add_argument(_option(format_), metavar="FILE", help=f"Write {what}; {STDOUT} is standard output")


def _add_store(command: ArgumentParser) -> Any:  # noqa: ANN401
    kept = command.add_argument_group("history")
    kept.add_argument("--store", metavar="PATH", help="Where runs are kept; unset, GOLDFISH_STORE or the user's data")
    return kept


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _help(name: str) -> str:
    about, default = SETTINGS[name].metadata, SETTINGS[name].default
    only = [f"cell {', '.join(about['applies_to'])}"] * (about["applies_to"] != SETTINGS["cell"].metadata["choices"])
    only += [f"task {', '.join(about['tasks'])}"] * (about["tasks"] != SETTINGS["task"].metadata["choices"])
    applies = f"; only {' and '.join(only)}" if only else ""
    return f"{about['help'].rstrip('.')}: {expected(name)}{applies}; default {default}".replace("%", "%%")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    try:
        arguments = vars(parser().parse_args(argv))
        verb = arguments["verb"]
        if verb in ("runs", "export", "import", "delete"):
            with history(arguments) as jobs:
                print(look_after(jobs, arguments))
            return FINISHED
        return record_file(arguments) if verb == "record" else measure(verb, arguments)
    except (ValueError, ModuleNotFoundError, StoreError) as refusal:
        return fail(str(refusal))
    except KeyboardInterrupt:
        return fail("interrupted", INTERRUPTED)


def measure(verb: str, arguments: Mapping[str, Any]) -> int:
    """Train or resume a run, or measure untrained, and write what was found."""
    experiment = None if verb == "resume" else experiment_from(arguments)
    threshold = share(arguments.get("threshold", "0.01"))
    targets = {format_: arguments[format_] for format_ in FORMATS if arguments[format_] is not None}
    require_writable(targets)
    if experiment:
        require_memory(experiment, build(experiment), training=verb == "train")
    keeping = verb != "decay" and not arguments.get("no_store")
    with history(arguments, required=verb == "resume") if keeping else nullcontext() as jobs:
        if experiment is None:
            row = jobs.row(arguments["id"])
            row.require_text()
            experiment = row.experiment
        outcome = (
            untrained(experiment, threshold) if verb == "decay" else trained(experiment, arguments.get("id"), jobs)
        )
    return finish(outcome, targets, export.command_line(experiment, "decay" if verb == "decay" else "train"))


def record_file(arguments: Mapping[str, Any]) -> int:
    """Measure a model from a file, and write what was found."""
    targets = {format_: arguments[format_] for format_ in FORMATS if arguments[format_] is not None}
    require_writable(targets)
    outcome = recorded(arguments, share(arguments["threshold"]))
    named = [name for name in ("data", "layer", "nonlinearity", *RANDOM) if arguments[name] is not None]
    options = [word for name in named for word in (_option(name), arguments[name])]
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
    with Jobs(arguments["store"], workers=0) as jobs:
        if jobs.trouble and (required or arguments["store"]):
            raise StoreError(jobs.trouble)
        yield jobs
        if jobs.trouble:
            fail(f"this run is not kept: {jobs.trouble}")


def look_after(jobs: Jobs, arguments: Mapping[str, Any]) -> str:
    """Do what was asked with the runs that are kept; return what there is to say."""
    verb = arguments["verb"]
    if verb == "runs":
        rows = jobs.rows()
        if jobs.trouble:
            raise StoreError(jobs.trouble)
        if arguments["json"]:
            return export.to_json([row.as_dict() for row in rows]).rstrip()
        kept = [*map(_line, rows), *_watched(jobs.store)]
        return "\n".join(kept) or "No run is kept."
    try:
        if verb == "import":
            return f"Imported as run {jobs.import_(Path(arguments['file']).read_bytes())}."
        if verb == "export":
            Path(arguments["file"]).write_bytes(jobs.export(arguments["id"]))
            return f"Exported to {arguments['file']}."
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise ValueError(f"{arguments['file']}: {getattr(error, 'strerror', None) or error}") from None
    jobs.delete(arguments["id"])
    return f"Deleted run {arguments['id']}."


def _line(row: Row) -> str:
    """Say in one line what a run is and what came of it."""
    learned = [metric for metric in row.metric or () if metric is not None]
    found = f", {row.metric_name} {wording.number(float(np.median(learned)))}" if learned else ""
    found += f" by chance {wording.number(row.chance)}" if learned else ""
    why = f" ({row.reason})" if row.reason else ""
    step = f"step {row.step}/{row.experiment.steps}"
    name = f"{row.name}: " if row.name else ""
    return f"{row.id}  {row.created[:16]}  {name}{_title(row.experiment)}, {step}, {row.status}{found}{why}"


def _watched(store: Store) -> list[str]:
    """Say in a line each what the models are that were watched in loops of one's own."""
    lines = []
    for id in store.watched():
        try:
            model = store.load_watched(id)
        except StoreError as error:
            lines.append(str(error))
            continue
        decays = [snapshot.decay for snapshot in model.snapshots]
        reach = f", horizon {_reach(decays[0])} first, {_reach(decays[-1])} last" if decays else ""
        name = f"{model.name}: " if model.name else ""
        lines.append(f"watched   {model.created[:16]}  {name}{model.cell.upper()}, pass {model.backwards}{reach}")
    return lines


def fail(line: str, status: int = REFUSED) -> int:
    """Say in one line on standard error what was wrong; return the exit status."""
    show("")
    print("goldfish:", " ".join(line.split()), file=sys.stderr)
    return status


def show(line: str) -> None:
    """Show a line of progress in place of the one before, where someone is watching."""
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns - 1
        print(ERASE + line[:width], end="", file=sys.stderr, flush=True)


def experiment_from(arguments: Mapping[str, Any]) -> Experiment:
    """Build the experiment that was typed, which refuses what is wrong."""
    return Experiment(**{name: _read(name, arguments[name]) for name in SETTINGS if name in arguments})


def _read(name: str, text: str) -> str | int | float | None:
    """Read a setting's value; what can't be read stays the text it is."""
    type_, optional = kind(name)
    if optional and type_ is not str and text == "None":
        return None
    try:
        return type_(text)
    except ValueError:
        return text


def share(text: str) -> float:
    """Read the threshold."""
    try:
        threshold = float(text)
    except ValueError:
        threshold = -1.0
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold={text}: expected a number above 0, at most 1")
    return threshold


def require_writable(targets: Mapping[str, str]) -> None:
    """Refuse an output that can't be written, or two that would overwrite each other, before any work is done."""
    if len(set(targets.values())) < len(targets):
        raise ValueError(f"{' and '.join(targets)}: expected a different output for each")
    for format_, target in targets.items():
        path = Path(target)
        try:
            if target != STDOUT and not path.is_fifo():
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
            text = export.to_json(outcome.document)
        elif format_ == "csv":
            text = export.decay_csv(*outcome.curves)
        else:
            text = export.html(outcome.figures(), "Goldfish", f"{outcome.summary}\n\n{command}\n")
        if target == STDOUT:
            print(text, end="", flush=True)
        else:
            Path(target).write_bytes(text.encode())


def train(run: Experiment | str, watch: Callable[[Snapshot], None], jobs: Jobs | None) -> Run:
    """Train an experiment, or go on with a run, and keep it where there is a history."""
    return jobs.train_here(run, watch)[1] if jobs else training.train(run, watch)


def trained(experiment: Experiment, id: str | None, jobs: Jobs | None) -> Outcome:
    """Train an experiment, or go on with its run, showing how it goes."""
    metric_name = build(experiment).metric_name

    def watch(snapshot: Snapshot) -> None:
        loss, metric = wording.spread(snapshot.loss), wording.spread(snapshot.metric)
        show(f"step {snapshot.step}/{experiment.steps}, loss {loss}, {metric_name} {metric}")

    run = train(id or experiment, watch, jobs)
    cell = experiment.cell

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

    curves = [(experiment, "before", run.before), (experiment, "after", run.after)]
    if run.carry is not None:
        curves.append((experiment, "after", run.carry))
    status = ALL_DIVERGED if run.status == "diverged" else FINISHED
    return Outcome(status, summary(run), export.run_document(run), curves, figures)


def untrained(experiment: Experiment, threshold: float) -> Outcome:
    """Measure an experiment before any training, showing how it goes."""
    measured = measure_untrained(experiment, threshold, lambda done: show(f"measured {done:.0%}"))
    cell, found, carry = experiment.cell, measured.decay, measured.decays.get("carry")

    def figures() -> Mapping[str, export.Figure]:
        from analysis.figures import bounds, decay, gates

        drawn = {
            "decay": decay.decay({cell: found}, carry={} if carry is None else {cell: carry}),
            "bounds": bounds.sizes({experiment.activation: measured.bounds}),
        }
        if measured.saturation:
            drawn["gates"] = gates.histograms({cell: measured.saturation})
        return drawn

    said = f"horizon {_reach(found)}, the steps back to which {wording.percent(threshold)} of the gradient is left"
    if np.isnan(found.horizon):
        said = "the gradient could not be measured"
    text = f"{_title(experiment)}, untrained: {said}; {wording.rate(found)}."
    curves = [(experiment, "before", part) for part in (found, carry) if part is not None]
    return Outcome(FINISHED, text, export.measured_document(experiment, measured), curves, figures)


def recorded(arguments: Mapping[str, Any], threshold: float) -> Outcome:
    """Measure the recurrent layers in a file on inputs from another, or random ones."""
    found = _layers(arguments)
    cell, nonlinearity = found.cell, arguments["nonlinearity"] or "tanh"
    if arguments["nonlinearity"] not in (None, *(NONLINEARITIES if cell == "rnn" else ("tanh",))):
        raise ValueError(f"nonlinearity={nonlinearity}: expected tanh or relu for an RNN, tanh for the others")
    module = to_module(found, nonlinearity)
    inputs, read, cut, about = _inputs(arguments, found)
    measured, _ = measure_module(module, inputs, threshold)
    memory = output_memory(module, inputs)
    decay, carry = measured.decay, measured.decays.get("carry")

    def figures() -> Mapping[str, export.Figure]:
        from analysis.figures import bounds, decay, gates

        drawn = {
            "decay": decay.decay({cell: measured.decay}, carry={} if carry is None else {cell: carry}),
            "bounds": bounds.sizes({nonlinearity: measured.bounds}),
        }
        return drawn | ({"gates": gates.histograms({cell: measured.saturation})} if measured.saturation else {})

    document = {
        "model": {
            "file": arguments["weights"], "layer": found.name, "cell": cell, "input_size": found.input_size,
            "hidden_size": found.hidden_size, "layers": found.layers, "bias": found.bias, "nonlinearity": nonlinearity,
        },
        "inputs": about | {"shape": inputs.shape, "note": cut},
        "decay": decay,
        "carry": carry,
        "memory": memory,
        "saturation": measured.saturation,
        "bounds": measured.bounds,
        "versions": training.versions(),
    }  # fmt: skip
    line = f"horizon {_reach(decay)}, the steps back to which {wording.percent(threshold)} of the gradient is left"
    if np.isnan(decay.horizon):
        line = "the gradient could not be measured"
    text = "\n".join(filter(None, [read, cut, f"{found.label}: {line}; {wording.rate(decay)}."]))
    curves = [(Experiment(cell=cell), "recorded", part) for part in (decay, carry) if part is not None]
    return Outcome(FINISHED, text, export.as_plain(document), curves, figures)


def _layers(arguments: Mapping[str, Any]) -> Found:
    """Choose the layers that were named, or the only ones."""
    every = read_recurrent(_bytes(arguments["weights"]), Path(arguments["weights"]).name)
    usable = [found for found in every if not found.refusal]
    layer = arguments["layer"]
    chosen = [found for found in every if found.name == layer] if layer is not None else usable or every
    if len(chosen) != 1:
        names = ", ".join(found.name for found in usable)
        received = f"layer={layer}" if layer is not None else f"{len(chosen)} layers"
        raise ValueError(f"{received}: expected --layer with one of {names or 'none, as none can be measured'}")
    return chosen[0]


def _inputs(arguments: Mapping[str, Any], found: Found) -> tuple[Tensor, str, str, dict[str, Any]]:
    """Read or draw the inputs; return them, what was read, what was cut, and where they come from."""
    data, options = arguments["data"], {}
    for name, (type_, default, _) in RANDOM.items():
        text = arguments[name]
        if data and text is not None:
            raise ValueError(f"{name}={text}: expected with random inputs only, not with --data")
        try:
            options[name] = default if text is None else type_(text)
        except ValueError:
            raise ValueError(f"{name}={text}: expected a {'whole ' * (type_ is int)}number") from None
    time_first = arguments["time_first"]
    if data:
        array = read_inputs(_bytes(data), Path(data).name, found)
        inputs, cut = fit_inputs(found, array, time_first)
        read, likelier = reading(array, time_first)
        other = f" (likelier {likelier}: {'without' if time_first else 'with'} --time-first)" if likelier else ""
        return inputs, f"Read: {read}{other}.", cut, {"file": data}
    if time_first:
        raise ValueError("time-first: expected with --data only")
    drawn = random_inputs(found, options["steps"], options["sequences"], options["variance"], options["seed"])
    inputs, cut = fit_inputs(found, drawn)
    return inputs, "", cut, options


def _bytes(path: str) -> bytes:
    try:
        if (size := Path(path).stat().st_size) > LARGEST:
            raise ValueError(f"{size:,} bytes: expected at most {LARGEST:,}")
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise ValueError(f"{path}: {getattr(error, 'strerror', None) or error}") from None


def summary(run: Run) -> str:
    """Say per seed, and then of all, what was learned and how far the gradient reached."""
    experiment, metric_name = run.experiment, run.metric_name
    lines = [f"{_title(experiment)}, {metric_name} by chance {wording.number(run.chance)}:"]
    ends = {failure.model: failure for failure in run.diverged}
    for k, metric in enumerate(run.metric):
        reaches = f"horizon {_one(run.before, k)} before training, {_one(run.after, k)} after"
        if k in ends:
            lines.append(f"seed {experiment.seed + k}: ended at step {ends[k].step}: {ends[k].reason}")
        else:
            lines.append(f"seed {experiment.seed + k}: {metric_name} {wording.number(metric)}, {reaches}")
    if len(ends) < experiment.seeds:
        lines.append(
            f"median (range): {metric_name} {wording.spread(run.metric)}, "
            f"horizon {_reach(run.before)} before training, {_reach(run.after)} after"
        )
    threshold = wording.percent(run.after.threshold)
    lines.append(f"The horizon is the number of steps back to which {threshold} of the gradient is left.")
    return "\n".join(lines)


def _title(experiment: Experiment) -> str:
    return f"{experiment.cell.upper()}, {experiment.task}, length {experiment.task_length}"


def _one(decay: Decay, model: int) -> str:
    return _steps(decay.horizons[model], decay)


def _reach(decay: Decay) -> str:
    """Write the horizon of the median with the range over seeds."""
    if not np.isfinite(decay.horizon):
        return "not measurable"
    low, high = (_steps(end, decay) for end in (np.nanmin(decay.horizons), np.nanmax(decay.horizons)))
    return _steps(decay.horizon, decay) + (f" ({low} to {high})" if low != high else "")


def _steps(horizon: float, decay: Decay) -> str:
    return "at least " * bool(horizon == decay.distance[-1]) + wording.number(horizon)


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # a console that lacks a sign shows a question mark
    sys.exit(main())
