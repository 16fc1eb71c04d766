"""Export figures as an HTML page, and all that a page shows as a ZIP. Callers draw the figures."""

import asyncio
import copy
import io
import threading
import zipfile
from collections.abc import Mapping, Sequence
from html import escape
from importlib.util import find_spec
from typing import Any, Protocol, Self

from analysis.experiment import Experiment
from analysis.language import mark
from analysis.report.documents import to_json

IMAGE_SIZE = {"width": 1280, "height": 720}  # in pixels, where a figure has no size of its own
IMAGE_SECONDS = 60  # for all images of an archive, and for the browser to start
REPEATS = mark(
    "prints the summary again; add --csv FILE for the curves, --json FILE for all."
)  # what commands.txt does
LETTERS = "Open Sans, verdana, arial, Noto Sans CJK SC, Microsoft YaHei, PingFang SC, WenQuanYi Zen Hei, sans-serif"
NO_BROWSER = "PNG or SVG are missing: they need kaleido and a Chrome or Chromium browser"
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>body {{ font: 16px/1.5 sans-serif; max-width: 1280px; margin: 2em auto; padding: 0 1em }}
pre {{ white-space: pre-wrap }} {style}</style>
</head>
<body>
<h1>{title}</h1>
{body}
</body>
</html>
"""


class Figure(Protocol):
    """The methods of a plotly Figure that are used here."""

    def to_dict(self) -> dict: ...  # noqa: D102

    def to_json(self) -> str | None: ...  # noqa: D102

    def to_html(self, **options: Any) -> str: ...  # noqa: ANN401, D102

    def update_layout(self, **changes: Any) -> Self: ...  # noqa: ANN401, D102


def html(figures: Mapping[str, Figure], title: str, text: str = "") -> str:
    """Return one page with a text and, below it, figures under their names; it opens without a network."""
    return html_page(title, [f"<pre>{escape(text)}</pre>", *figure_blocks(figures).values()])


def html_page(title: str, blocks: Sequence[str], style: str = "") -> str:
    """Return a page of HTML with a title and blocks below it, which are HTML already; `style` adds CSS."""
    return PAGE.format(title=escape(title), body="\n".join(blocks), style=style)


def figure_blocks(figures: Mapping[str, Figure]) -> dict[str, str]:
    """Return figures as HTML by name, each under a heading of its name; the first carries plotly.js for all."""
    blocks: dict[str, str] = {}
    for name, figure in figures.items():
        config = {"displaylogo": False, "toImageButtonOptions": {"format": "svg", "filename": name}}
        drawn = _on_white(figure).to_html(
            full_html=False,
            include_plotlyjs=not blocks,
            include_mathjax=False,
            auto_play=False,
            config=config,
            div_id=name,
        )
        blocks[name] = f"<h2>{escape(name.replace('-', ' ').capitalize())}</h2>\n{drawn}"
    return blocks


def _on_white(figure: Figure) -> Figure:
    """Return a copy of a figure on a white ground, for paper, in letters that know Chinese too."""
    return copy.deepcopy(figure).update_layout(
        template="plotly_white", paper_bgcolor="white", plot_bgcolor="white", font_family=LETTERS
    )


def archive(
    name: str,
    figures: Mapping[str, Figure],
    tables: Mapping[str, str],
    experiments: Sequence[Experiment],
    commands: Sequence[str] = (),
    images: bool = True,
    documents: Mapping[str, str] | None = None,
) -> bytes:
    """Return a ZIP with everything a page shows.

    Args:
        name: of the page; its figures are in one HTML file of this name.
        figures: by name; each also as JSON, and as PNG and SVG where a browser can draw them.
        tables: CSV by name.
        experiments: what was run, each as JSON.
        commands: the command lines that measure the same again.
        images: whether to try PNG and SVG, which takes seconds.
        documents: further texts by file name; one takes the place of a file of its name.
    """
    repeated, further = "".join(f"{command}\n" for command in commands), documents or {}
    drawn, note = draw_images(figures) if images else ({}, "PNG and SVG were not asked for.")
    repeats = f"commands.txt {REPEATS}\n" if commands else ""
    files: dict[str, str | bytes] = {
        "README.txt": f"{name}.html opens in a browser, without a network.\n{repeats}{note}\n",
        **({"commands.txt": repeated} if commands else {}),
        **({} if f"{name}.html" in further else {f"{name}.html": html(figures, f"Goldfish: {name}", repeated)}),
        **{f"{key}.csv": text for key, text in tables.items()},
        **{f"{key}.json": _on_white(figure).to_json() or "" for key, figure in figures.items()},
        **{f"experiment-{k}-{e.cell}.json": to_json(e) for k, e in enumerate(experiments, 1)},
        **drawn,
        **further,
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for path, content in files.items():
            file.writestr(path, content)
    return packed.getvalue()


def draw_images(figures: Mapping[str, Figure], seconds: float = IMAGE_SECONDS) -> tuple[dict[str, bytes], str]:
    """Draw figures as PNG and SVG in a browser; stop waiting after `seconds`.

    Returns:
        The finished images by file name, and one line on what is missing, if anything. Errors are not raised.
    """
    if not find_spec("kaleido"):
        return {}, f"{NO_BROWSER} (pip install kaleido)."
    images: dict[str, bytes] = {}
    problems: list[str] = []

    def work() -> None:
        try:
            asyncio.run(_draw_in_browser(figures, images))
        except Exception as error:
            problems.append(type(error).__name__)

    # The caller's thread may already run an event loop. A daemon thread may be abandoned when its browser hangs.
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        problems.append(f"not done after {seconds:g} s")
    return dict(images), f"{NO_BROWSER} ({problems[0]})." if problems else "PNG and SVG are drawn on white."


async def _draw_in_browser(figures: Mapping[str, Figure], images: dict[str, bytes]) -> None:
    """Draw figures one after the other; add each image to `images` as soon as it is finished."""
    from kaleido import Kaleido

    browser = Kaleido(mathjax=False)  # it would load MathJax from the network
    try:
        await browser.open()
        for name, figure in figures.items():
            drawing = _on_white(figure).to_dict()
            size = {side: drawing["layout"].get(side, pixels) for side, pixels in IMAGE_SIZE.items()}
            for kind in ("png", "svg"):
                options = {"format": kind, "scale": 2, **size}
                images[f"{name}.{kind}"] = await browser.calc_fig(drawing, opts=options)
    finally:
        await browser.close()
