"""The output of commands: summaries, files, and lines on standard error. Measures nothing."""

import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.cli.arguments import FORMATS, STDOUT
from analysis.history.store import default_path
from analysis.report import documents, export, tables

FINISHED, ALL_DIVERGED, REFUSED, INTERRUPTED = 0, 1, 2, 130  # exit statuses
ERASE = "\r\x1b[K"


@dataclass(frozen=True)
class Outcome:
    """The result of a command, in all forms in which it can be written."""

    status: int
    summary: str
    document: Mapping[str, Any]
    curves: Sequence[tables.Curve]
    figures: Callable[[], Mapping[str, export.Figure]]  # drawn only where they are asked for


def report_failure(line: str, status: int = REFUSED) -> int:
    """Print an error as one line on standard error; return the exit status."""
    print_note(line)
    return status


def print_note(line: str) -> None:
    """Print a message as one line on standard error."""
    show_progress("")
    print("goldfish:", " ".join(line.split()), file=sys.stderr)


def show_progress(line: str) -> None:
    """Replace the line of progress on standard error, if that is a terminal."""
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns - 1
        print(ERASE + line[:width], end="", file=sys.stderr, flush=True)


def require_other_than_history(target: str, arguments: Mapping[str, Any]) -> None:
    """Raise ValueError for an output that would overwrite the history."""
    path = Path(arguments.get("store") or default_path()).expanduser()
    if path.exists() and Path(target).exists() and path.samefile(target):
        raise ValueError(f"{target} is the history of runs: expected another file")


def writable_targets(arguments: Mapping[str, Any]) -> dict[str, str]:
    """Return the output file of each format that was asked for, checked before any work is done.

    Raises:
        ValueError: for a file that can't be written, one that is named twice, or the history.
    """
    targets = {format_: arguments[format_] for format_ in FORMATS if arguments[format_] is not None}
    if len(set(targets.values())) < len(targets):
        raise ValueError(f"{' and '.join(targets)}: expected a different output for each")
    for format_, target in targets.items():
        path = Path(target)
        try:
            if target != STDOUT and not path.is_fifo():
                require_other_than_history(target, arguments)
                existed = path.exists()
                path.open("ab").close()
                if not existed:
                    path.unlink()
        except (OSError, ValueError) as error:  # ValueError: a null character in the name
            reason = getattr(error, "strerror", None) or error
            raise ValueError(f"{format_}={target}: expected a file that can be written: {reason}") from None
    return targets


def write_outcome(outcome: Outcome, targets: Mapping[str, str], command: str) -> int:
    """Print a result's summary and write its files; return the exit status.

    Args:
        outcome: what was measured.
        targets: an output file by format.
        command: the command line that measures the same again, written below the summary on the HTML page.
    """
    return write_result(outcome.status, outcome.summary, targets, lambda format_: _as_text(outcome, format_, command))


def write_result(status: int, summary: str, targets: Mapping[str, str], as_text: Callable[[str], str]) -> int:
    """Print a summary, and write a result to a file for each format in `targets`; return the exit status.

    Args:
        status: the exit status if all files can be written.
        summary: goes to standard error where a format goes to standard output.
        targets: an output file by format.
        as_text: returns the result in a format, as the content of a file.
    """
    show_progress("")
    print(summary, file=sys.stderr if STDOUT in targets.values() else sys.stdout)
    try:
        for format_, target in targets.items():
            text = as_text(format_)
            if target == STDOUT:
                print(text, end="", flush=True)
            else:
                Path(target).write_bytes(text.encode())
    except OSError as error:
        return report_failure(str(error))
    return status


def _as_text(outcome: Outcome, format_: str, command: str) -> str:
    """Return a result as the content of a file."""
    if format_ == "json":
        return documents.to_json(outcome.document)
    if format_ == "csv":
        return tables.decay_csv(*outcome.curves)
    return export.html(outcome.figures(), "Goldfish", f"{outcome.summary}\n\n{command}\n")
