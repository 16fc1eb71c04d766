"""Results as JSON, CSV, HTML and ZIP. Knows nothing of how a figure is drawn: figures are handed in."""

import asyncio
import copy
import csv
import dataclasses
import io
import json
import math
import threading
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, Protocol, Self

import numpy as np

from analysis.config import Experiment
from analysis.results import Decay, Measured, Run, finite_median
from analysis.training import versions

# Whole numbers, held as floats only because one may be undefined.
STEPS = {"horizon", "horizons", "horizon_before", "horizon_after", "span", "spans"}
IMAGE_SIZE = {"width": 1280, "height": 720}  # in pixels; a figure's own counts first
IMAGE_SECONDS = 60  # for all images of an archive, and for the browser to start
REPEATS = "prints the summary again; add --csv FILE for the curves, --json FILE for all."  # of a command line
NO_BROWSER = "PNG or SVG are missing: they need kaleido and a Chrome or Chromium browser"
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>body {{ font: 16px/1.5 sans-serif; max-width: 1280px; margin: 2em auto; padding: 0 1em }}
pre {{ white-space: pre-wrap }}</style>
</head>
<body>
<h1>{title}</h1>
<pre>{text}</pre>
{figures}
</body>
</html>
"""


class Figure(Protocol):
    """What is asked of a plotly Figure."""

    def to_dict(self) -> dict: ...  # noqa: D102

    def to_json(self) -> str | None: ...  # noqa: D102

    def to_html(self, **options: Any) -> str: ...  # noqa: ANN401, D102

    def update_layout(self, **changes: Any) -> Self: ...  # noqa: ANN401, D102


Curve = tuple[Experiment, str, Decay]  # whose, when (such as before and after), what


def as_plain(value: Any) -> Any:  # noqa: ANN401
    """Turn a result into what strict JSON knows: infinite is "inf" or "-inf", undefined is None.

    >>> as_plain({"horizons": np.array([7.0, np.nan]), "half_life": np.inf})
    {'horizons': [7, None], 'half_life': 'inf'}
    """
    if isinstance(value, Experiment):
        return value.as_dict()
    if dataclasses.is_dataclass(value):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {name: _whole(as_plain(part)) if name in STEPS else as_plain(part) for name, part in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        plain = value.tolist()
        return plain if value.dtype.kind in "biuf" and np.isfinite(value).all() else as_plain(plain)
    if isinstance(value, list | tuple):
        return [as_plain(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value


def _whole(plain: Any) -> Any:  # noqa: ANN401
    """Write whole floats as integers, in a plain value or list."""
    if isinstance(plain, list):
        return [_whole(part) for part in plain]
    return int(plain) if isinstance(plain, float) and plain.is_integer() else plain


def to_json(result: Any) -> str:  # noqa: ANN401
    """Write a result, or a document made of results, as strict JSON."""
    return json.dumps(as_plain(result), allow_nan=False) + "\n"


def run_document(run: Run) -> dict[str, Any]:
    """Return what `train` writes as JSON."""
    after = run.measured_after
    document = {
        "experiment": run.experiment,
        "status": run.status,
        "final": {"loss": run.loss, "metric": run.metric},
        "metric_name": run.metric_name,
        "chance": run.chance,
        "decay": {"before": run.before, "after": run.after},
        "carry": run.carry,
        "memory": run.memory,
        "saturation": after.saturation,
        "bounds": after.bounds,
        "diverged": run.diverged,
        "timing": run.timing,
        "versions": run.versions,
    }
    return as_plain(document | ({"text_sha256": run.text_sha256} if run.text_sha256 else {}))


def measured_document(about: Mapping[str, Any], measured: Measured) -> dict[str, Any]:
    """Return what `decay` and `record` write as JSON, `about` what was measured."""
    return as_plain(
        {
            **about,
            "decay": measured.decay,
            "carry": measured.decays.get("carry"),
            "saturation": measured.saturation,
            "bounds": measured.bounds,
            "versions": versions(),
        }
    )


def table(*blocks: Mapping[str, Any]) -> str:
    r"""Write blocks of columns as CSV, one below the other; a column is an array, or one value for all rows.

    Floats keep every digit; infinite is inf, undefined is empty.

    >>> table({"cell": "gru", "distance": [0, 1], "norm": [0.5, np.nan]})
    'cell,distance,norm\ngru,0,0.5\ngru,1,\n'
    """
    names = dict.fromkeys(name for block in blocks for name in block)
    file = io.StringIO()
    writer = csv.DictWriter(file, names, lineterminator="\n")
    writer.writeheader()
    for block in blocks:
        columns = np.broadcast_arrays(*block.values())
        writer.writerows(dict(zip(block, row, strict=True)) for row in zip(*map(as_plain, columns), strict=True))
    return file.getvalue()


def _by_seed(name: str, experiment: Experiment, values: Iterable[np.ndarray]) -> dict[str, np.ndarray]:
    """Columns of every model's own values, named by its seed."""
    return {f"{name}_seed_{seed}": own for seed, own in enumerate(values, experiment.seed)}


def decay_csv(*curves: Curve) -> str:
    """Write curves of gradient against distance as CSV, a row for each distance."""
    return table(
        *(
            {
                "cell": experiment.cell,
                "phase": phase,
                "of": decay.of,
                "distance": decay.distance,
                "norm": decay.norm,
                "mean_square": decay.mean_square,
                "relative": decay.relative,
                "low": decay.low,
                "high": decay.high,
            }
            | _by_seed("relative", experiment, decay.relatives)
            for experiment, phase, decay in curves
        )
    )


def memory_csv(*runs: Run) -> str:
    """Write what trained networks answer by distance as CSV, a row for each distance."""
    return table(
        *(
            {
                "cell": run.experiment.cell,
                "kind": run.memory.kind,
                "metric": run.memory.metric_name,
                "chance": run.memory.chance,
                "distance": run.memory.distance,
                "value": run.memory.value,
                "low": run.memory.low,
                "high": run.memory.high,
            }
            | _by_seed("value", run.experiment, run.memory.values)
            for run in runs
        )
    )


def snapshots_csv(*runs: Run) -> str:
    """Write runs through training as CSV, a row for each snapshot: medians, and every model's own."""
    return table(*map(_through_training, runs))


def _through_training(run: Run) -> dict[str, Any]:
    columns = {
        "cell": run.experiment.cell,
        "step": np.array([snapshot.step for snapshot in run.snapshots]),
        "threshold": np.array([snapshot.decay.threshold for snapshot in run.snapshots]),
        "horizon": np.array([snapshot.decay.horizon for snapshot in run.snapshots]),
    }
    own = {name: np.stack([getattr(snapshot, name) for snapshot in run.snapshots]) for name in ("loss", "metric")}
    columns |= {name: finite_median(values) for name, values in own.items()}
    own["horizon"] = np.stack([snapshot.decay.horizons for snapshot in run.snapshots])
    own["clipped"] = np.stack([snapshot.clipped for snapshot in run.snapshots])
    for name, values in own.items():
        columns |= _by_seed(name, run.experiment, values.T)
    return columns


def html(figures: Mapping[str, Figure], title: str, text: str = "") -> str:
    """Return one page with a text and, below it, figures under their names; it opens without a network."""
    parts = []
    for name, figure in figures.items():
        config = {"displaylogo": False, "toImageButtonOptions": {"format": "svg", "filename": name}}
        drawn = _on_white(figure).to_html(
            full_html=False,
            include_plotlyjs=not parts,
            include_mathjax=False,
            auto_play=False,
            config=config,
            div_id=name,
        )
        parts.append(f"<h2>{escape(name.replace('-', ' ').capitalize())}</h2>\n{drawn}")
    return PAGE.format(title=escape(title), figures="\n".join(parts), text=escape(text))


def _on_white(figure: Figure) -> Figure:
    """Copy a figure, whatever it was made to stand on, for paper."""
    return copy.deepcopy(figure).update_layout(template="plotly_white", paper_bgcolor="white", plot_bgcolor="white")


def archive(
    name: str,
    figures: Mapping[str, Figure],
    tables: Mapping[str, str],
    experiments: Sequence[Experiment],
    commands: Sequence[str] = (),
    images: bool = True,
) -> bytes:
    """Return a ZIP with everything a page shows.

    Args:
        name: of the page; its figures are in one HTML file of this name.
        figures: by name; each also as JSON, and as PNG and SVG where a browser can draw them.
        tables: CSV by name.
        experiments: what was run, each as JSON.
        commands: the command lines that measure the same again.
        images: whether to try PNG and SVG, which takes seconds.
    """
    repeated = "".join(f"{command}\n" for command in commands)
    drawn, note = draw(figures) if images else ({}, "PNG and SVG were not asked for.")
    repeats = f"commands.txt {REPEATS}\n" if commands else ""
    files = {
        "README.txt": f"{name}.html opens in a browser, without a network.\n{repeats}{note}\n",
        **({"commands.txt": repeated} if commands else {}),
        f"{name}.html": html(figures, f"Goldfish: {name}", repeated),
        **{f"{key}.csv": text for key, text in tables.items()},
        **{f"{key}.json": _on_white(figure).to_json() for key, figure in figures.items()},
        **{f"experiment-{k}-{e.cell}.json": to_json(e) for k, e in enumerate(experiments, 1)},
        **drawn,
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for path, content in files.items():
            file.writestr(path, content)
    return packed.getvalue()


def draw(figures: Mapping[str, Figure], seconds: float = IMAGE_SECONDS) -> tuple[dict[str, bytes], str]:
    """Draw figures as PNG and SVG, by file name, and say in a line what came of it; never fails, never waits longer."""
    try:
        from kaleido import Kaleido
    except ImportError:
        return {}, f"{NO_BROWSER} (pip install kaleido)."
    drawn, problems = {}, []

    async def with_browser() -> None:
        browser = Kaleido(mathjax=False)  # which it would fetch from the network
        try:
            await browser.open()
            for name, figure in figures.items():
                drawing = _on_white(figure).to_dict()
                size = {side: drawing["layout"].get(side, pixels) for side, pixels in IMAGE_SIZE.items()}
                for kind in ("png", "svg"):
                    drawn[f"{name}.{kind}"] = await browser.calc_fig(drawing, opts={"format": kind, "scale": 2, **size})
        finally:
            await browser.close()

    def work() -> None:
        try:
            asyncio.run(with_browser())
        except Exception as error:
            problems.append(type(error).__name__)

    # A thread of its own: the caller's may already run an event loop, and a browser that hangs is left behind.
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        problems.append(f"not done after {seconds:g} s")
    return dict(drawn), f"{NO_BROWSER} ({problems[0]})." if problems else "PNG and SVG are drawn on white."
