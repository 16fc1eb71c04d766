"""The dashboard in Streamlit's own test runner: open a page, check what it drew, train on it."""

import json
import re
from base64 import b64decode
from pathlib import Path

import numpy as np
from streamlit.testing.v1 import AppTest

from analysis.measures.preview import preview_meter, without_training
from pages.ui import training
from tests.helpers.jobs import PATIENCE, until

DASHBOARD = str(Path(__file__).parents[2] / "dashboard.py")
SMALL = {"length": 6, "hidden_size": 4, "seeds": 2, "steps": 10, "batch_size": 4}
ENDLESS = SMALL | {"length": 500, "steps": 100_000, "snapshot_every": 10}  # no test waits for its end: half an hour


def app(page="", **settings):
    """Open a page with these values in the URL; Home where none is named."""
    at = AppTest.from_file(DASHBOARD, default_timeout=PATIENCE)
    for name, value in settings.items():
        at.query_params[name] = value
    if page:
        at.run()
        at.switch_page(page)
    return at.run()


def fine(at):
    """Return a page, which has drawn finite numbers and raised nothing."""
    assert not at.exception, at.exception[0].value
    for chart in at.get("plotly_chart"):
        for trace in json.loads(chart.proto.spec)["data"]:
            y = trace.get("y")
            if isinstance(y, list) and trace.get("name"):
                values = [v for v in y if v is not None and not isinstance(v, str)]
                assert np.isfinite(np.array(values, float)).all(), trace["name"]
    return at


def charts(at):
    """Return the pictures that are not below another one."""

    def above(id):
        name, layer = re.search(r"chart-(.+?)-layer(\d)(?:-\d+)?$", id).groups()
        return at.session_state[f"layers-{name}"][0] == int(layer)

    return [json.loads(chart.proto.spec) for chart in at.get("plotly_chart") if above(chart.proto.id)]


def values(drawn):
    """Return the numbers of a trace, flat."""
    if isinstance(drawn, dict):
        return np.frombuffer(b64decode(drawn["bdata"]), np.dtype(drawn["dtype"])).astype(float)
    return np.array([np.nan if value is None else value for value in np.ravel(drawn)], float)


def trained(at):
    """Press Train, wait until the workers are done, and draw the page again."""
    at.button(key="train").click().run()
    fine(at)
    until(lambda: not training.jobs().under_way)
    return fine(at.run())


def untrained(at):
    """Measure a page's cells before any training, as the page does; return the results by cell."""
    return {cell: preview(experiment) for cell, experiment in at.session_state["settings"].experiments.items()}


def preview(experiment):
    """Measure an experiment before any training, on as many sequences as a page does."""
    meter, weights = preview_meter(without_training(experiment))
    return meter.measure(weights)


def delete_runs():
    """Empty the history of the server that tests of pages share."""
    jobs = training.jobs()
    for row in jobs.rows():
        jobs.cancel(row.id)
    until(lambda: not jobs.under_way)
    for row in jobs.rows():
        jobs.delete(row.id)
