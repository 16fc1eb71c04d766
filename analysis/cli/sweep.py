"""The command that trains a grid of settings and compares them: sweep."""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from typing import Any

from analysis.cli.measure import print_time_columns
from analysis.cli.output import (
    ALL_DIVERGED,
    FINISHED,
    INTERRUPTED,
    print_note,
    report_failure,
    show_progress,
    writable_targets,
    write_result,
)
from analysis.cli.progress import Progress
from analysis.cli.summary import experiment_title
from analysis.comparison import Comparison, Row
from analysis.history.database import MEMORY, StoreError
from analysis.history.store import Store
from analysis.jobs.cluster import Cluster, ClusterError, NoWorkerWarning, connect
from analysis.jobs.compare import compare, with_pace
from analysis.jobs.fairness import counted, pilots
from analysis.jobs.grid import read_grid, to_toml
from analysis.report import comparisons, documents, wording
from analysis.report.comparison_page import varying


def sweep_grid(arguments: Mapping[str, Any]) -> int:
    """Train what a grid file asks for, compare it, and write the result; return the exit status."""
    plan = read_grid(arguments["grid"])
    targets = writable_targets(arguments)
    store = _usable_store(arguments)
    print_time_columns(plan.experiments()[0])
    try:
        with _engine(arguments["engine"]) as cluster, _warnings_as_notes():
            show_progress("measuring how long an update takes")
            plan = with_pace(plan, store)
            progress = Progress([*pilots(plan), *counted(plan)])
            comparison = compare(plan, cluster, store, progress.count, progress.follow)
    except ClusterError as error:
        return report_failure(str(error))
    except KeyboardInterrupt:
        kept = "" if store == MEMORY else ": what is finished is kept, the same command goes on"
        return report_failure(f"interrupted{kept}", INTERRUPTED)
    status = FINISHED if any(row.status == "finished" for row in comparison.rows) else ALL_DIVERGED
    return write_result(status, describe_comparison(comparison), targets, lambda format_: _as_text(comparison, format_))


def _usable_store(arguments: Mapping[str, Any]) -> str | None:
    """Return which history to use; print why no run is kept, where that is so.

    Raises:
        StoreError: where the history that was named can't be used.
    """
    if arguments["no_store"]:
        return MEMORY
    try:
        with closing(Store(arguments["store"])) as store:
            store.require_writable()
    except StoreError as error:
        if arguments["store"]:
            raise
        print_note(f"the runs are not kept: {error}")
        return MEMORY
    return arguments["store"]


def _engine(address: str | None) -> AbstractContextManager[Cluster | None]:
    """Return the cluster at an address, or nothing where runs are trained here."""
    if address is None:
        return nullcontext()
    logging.getLogger("tornado.application").setLevel(logging.CRITICAL)  # it would report tasks that were cancelled
    return connect(address)


@contextmanager
def _warnings_as_notes() -> Iterator[None]:
    """Print the warnings of a cluster as notes, each time."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", NoWorkerWarning)
        warnings.showwarning = lambda message, *_: print_note(str(message))
        yield


def describe_comparison(comparison: Comparison) -> str:
    """Describe a comparison for the terminal: a line for each setting, then the verdicts."""
    names = varying([row.experiment for row in comparison.rows])
    return "\n".join([*(_describe_row(row, names) for row in comparison.rows), *comparison.verdicts])


def _describe_row(row: Row, names: list[str]) -> str:
    """Describe one setting in a line, with the settings of these names."""
    settings = (f"{name} {wording.format_setting(getattr(row.experiment, name))}" for name in names)
    title = ", ".join([experiment_title(row.experiment), *settings])
    if not row.finished:
        return f"{title}: {row.status}"
    metric = f"{row.metric_name} {wording.format_range(row.metric)}, chance {wording.format_number(row.chance)}"
    solved = f"solved by {int(row.solved.sum())} of {len(row.solved)} seeds, " if row.solvable else ""
    return f"{title}: {solved}{metric}"


def _as_text(comparison: Comparison, format_: str) -> str:
    """Return a comparison as the content of a file."""
    if format_ == "json":
        return documents.to_json(comparisons.comparison_document(comparison))
    if format_ == "csv":
        return comparisons.comparison_csv(comparison)
    from analysis.figures.comparison_report import comparison_report

    return comparison_report(comparison, to_toml(comparison.plan))
