"""Goldfish on the command line: train an experiment, or measure it untrained, and write what was found."""

import shutil
import sys
from argparse import SUPPRESS, ArgumentParser
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from analysis import export, wording
from analysis.capacity import require_memory
from analysis.config import SETTINGS, Experiment, expected, kind
from analysis.measuring import measure_untrained
from analysis.results import Decay, Run, Snapshot
from analysis.tasks import build
from analysis.training import train

FINISHED, ALL_DIVERGED, REFUSED, INTERRUPTED = 0, 1, 2, 130
FORMATS = {
    "json": "everything measured, as JSON",
    "csv": "the decay curves, as CSV",
    "html": "the figures, as one page for a browser",
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
    commands = whole.add_subparsers(dest="verb", required=True, metavar="{train,decay}")
    for verb, about in (("train", "train models and measure them"), ("decay", "measure models untrained")):
        command = commands.add_parser(verb, help=about, description=f"{about.capitalize()}.", allow_abbrev=False)
        settings = command.add_argument_group("settings")
        for name in SETTINGS:
            settings.add_argument(_option(name), default=SUPPRESS, metavar="VALUE", help=_help(name))
        if verb == "decay":
            what = "Share of the gradient that the horizon asks for: a number above 0, at most 1; default 0.01"
            settings.add_argument("--threshold", default="0.01", metavar="VALUE", help=what)
        output = command.add_argument_group("output")
        for format_, what in FORMATS.items():
            output.add_argument(_option(format_), metavar="FILE", help=f"Write {what}; {STDOUT} is standard output")
    return whole


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
        try:
            arguments = vars(parser().parse_args(argv))
            experiment = experiment_from(arguments)
            threshold = share(arguments.get("threshold", "0.01"))
            targets = {format_: arguments[format_] for format_ in FORMATS if arguments[format_] is not None}
            require_writable(targets)
            require_memory(experiment, build(experiment), training=arguments["verb"] == "train")
        except (ValueError, ModuleNotFoundError) as refusal:
            return fail(str(refusal))
        outcome = trained(experiment) if arguments["verb"] == "train" else untrained(experiment, threshold)
        show("")
        print(outcome.summary, file=sys.stderr if STDOUT in targets.values() else sys.stdout)
        try:
            write(outcome, targets, export.command_line(experiment, arguments["verb"]))
        except OSError as error:
            return fail(str(error))
        return outcome.status
    except KeyboardInterrupt:
        return fail("interrupted", INTERRUPTED)


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


def trained(experiment: Experiment) -> Outcome:
    """Train an experiment, showing how it goes."""
    metric_name = build(experiment).metric_name

    def watch(snapshot: Snapshot) -> None:
        loss, metric = wording.spread(snapshot.loss), wording.spread(snapshot.metric)
        show(f"step {snapshot.step}/{experiment.steps}, loss {loss}, {metric_name} {metric}")

    run = train(experiment, watch)
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
