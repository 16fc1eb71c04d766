"""Results as JSON, CSV, HTML and ZIP. Knows nothing of how a figure is drawn: figures are handed in."""

import asyncio
import copy
import io
import threading
import zipfile
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Protocol, Self

from analysis.experiment import Experiment
from analysis.report.documents import to_json

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
