"""The entry of the command line: run a command, print an error as one line, return the exit status.

A command's module is imported only when it runs, so that help and the list of runs start without torch.
"""

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import NoReturn

from analysis.cli.arguments import make_parser
from analysis.cli.output import INTERRUPTED, report_failure
from analysis.history.database import StoreError


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    try:
        arguments = vars(make_parser().parse_args(argv))
        verb = arguments["verb"]
        if verb in ("train", "resume", "decay"):
            from analysis.cli.measure import measure_experiment

            return measure_experiment(verb, arguments)
        if verb == "sweep":
            from analysis.cli.sweep import sweep_grid

            return sweep_grid(arguments)
        if verb == "spectrum":
            from analysis.cli.spectrum import measure_spectrum

            return measure_spectrum(arguments)
        if verb == "explain":
            from analysis.cli.explain import explain_experiment

            return explain_experiment(arguments)
        if verb == "record":
            from analysis.cli.record import record_model

            return record_model(arguments)
        from analysis.cli.runs import manage_runs

        return manage_runs(verb, arguments)
    except (ValueError, ModuleNotFoundError, StoreError) as refusal:
        return report_failure(str(refusal))
    except OSError as error:
        return report_failure(f"{error.filename or 'standard output'}: {error.strerror or error}")
    except (MemoryError, RuntimeError) as error:  # torch reports a lack of memory as a RuntimeError
        if not isinstance(error, MemoryError) and "allocate memory" not in str(error):
            raise
        return report_failure("there is not enough memory: expected fewer seeds or units, or shorter sequences")
    except KeyboardInterrupt:
        return report_failure("interrupted", INTERRUPTED)


def run() -> NoReturn:
    """Run the command that was typed and end the process with its exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a console that lacks a character shows a question mark
    status = main()
    try:
        sys.stdout.flush()
    except OSError as error:
        status = report_failure(f"standard output: {error.strerror}")
        # Python flushes standard output once more at its end: on a closed pipe or a full disk that would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(status)
