"""How a page looks: its question, its pictures, its sentences."""

import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from analysis.language import current_language
from pages.ui import session, terms

TIGHT = """<style>
.stMainBlockContainer { padding-top: 1.4rem; padding-bottom: 3rem; }
@media (max-width: 640px) {
  .stMainBlockContainer { padding-top: 3.5rem; }
  .stMainBlockContainer:not(:has(.st-key-stops, .st-key-begin))
  :is(.st-key-line, [data-testid=stLayoutWrapper]:has(> .st-key-line)) { display: none; }
  .stApp:has(.st-key-stops) .st-key-sentence { min-width: 100%; }
  [data-testid=stButtonGroup] [role=radiogroup] { flex-wrap: wrap; overflow: visible; }
  [data-testid=stLayoutWrapper]:has(> .st-key-takes) { order: 1; flex-basis: 100%; }
  [data-testid=stLayoutWrapper]:has(> :is(.st-key-verdict, .st-key-layers-decay)) { order: -1; }
}
.stMainBlockContainer h1 { font-size: clamp(1.5rem, 2.2vw, 2.6rem); padding-top: 0; }
.stMainBlockContainer h3 { font-size: clamp(1.25rem, 1.85vw, 2.2rem); }
.stMainBlockContainer h2 { font-size: clamp(1.1rem, 1.5vw, 1.9rem); padding: 0.75rem 0 1rem; }
:is([data-testid=stCaptionContainer], [data-selected=true], [data-testid=stSliderThumbValue]) p
{ color: color-mix(in srgb, currentColor 50%, CanvasText); }
.stMainBlockContainer .stMarkdown ul { margin: 0 0 .6rem; padding-left: 0; list-style: none; }
.stMainBlockContainer [class*=st-key-points] .stMarkdown ul { padding-left: 1.1rem; list-style: disc; }
.stMainBlockContainer .stMarkdown li { margin: 0; padding: 0; line-height: 1.5; font-size: .9rem; }
.js-plotly-plot .plotly :is(:is([class*=tick], [class*=title], .annotation, .shape-label) text, .legendtitletext)
{ fill: currentColor !important; }
[class*="st-key-layers-"] { display: grid; grid-template-columns: 100%; }
[class*="st-key-layers-"] > * { grid-area: 1 / 1; }
[class*="st-key-layers-"]:has(.above-0):has(
  > [class*="-layer0"]:not([data-retained]) .js-plotly-plot:not([style*="visibility"]) .main-svg) > [class*="-layer1"],
[class*="st-key-layers-"]:has(.above-1):has(
  > [class*="-layer1"]:not([data-retained]) .js-plotly-plot:not([style*="visibility"]) .main-svg) > [class*="-layer0"]
{ visibility: hidden; }
[class*="st-key-tall-"] { min-height: 48rem; }
.stTabs [role="tabpanel"] { min-height: 28rem; }
[data-testid=stSidebarNavLink]:focus-visible { outline: 2px solid; outline-offset: -2px; }
.st-key-part pre { padding: .45rem .6rem; font-size: .8rem; line-height: 1.35; }
.stApp:has(.st-key-stops) [data-testid=stSidebarNavLink][href*="/words"]
{ background: color-mix(in srgb, currentColor 12%, transparent); font-weight: 600; }
.st-key-explained { min-height: 4.4rem; margin: -.6rem 0; }
.st-key-stops p { font-size: .875rem; padding: 0 .25rem; }
.st-key-head { margin: -.6rem 0 -.4rem; }
.stPageLink a { background: none; }
.stPageLink a p { font-weight: 600; }
.st-key-begin a p { white-space: normal; }
.st-key-begin a { border: 2px solid #E8590C; border-radius: .5rem; padding: .3rem .8rem; }
</style>"""  # so that question, picture and sentence fit one screen, a picture lies over the one that it replaces,
# and a page stays where it is when a tab is opened that holds less than the one before

KEPT = 300  # figures in the server's memory
BUTTONS = ["zoom2d", "pan2d", "select2d", "lasso2d", "zoomIn2d", "zoomOut2d", "autoScale2d"]  # the mouse does these


def title(question: str, line: str = "", *words: str, tag: str = "") -> None:
    """Head a page with the question it answers, one line for who meets it first, and the terms it uses, explained.

    A tag beside the question says what is shown.
    """
    st.html(TIGHT)
    if tag:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.title(question, anchor=False, width="content")
            st.badge(tag, color="gray", width="content")
    else:
        st.title(question, anchor=False)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="head"):
        if line:
            with st.container(key="line", width="content"):
                st.caption(line)
        if words:
            terms.explain(*words)


def lines(sentences: Iterable[str], after: str = "") -> str:
    """Return a line per sentence, the cell that it begins with in bold, and then what `after` says."""
    return "\n".join("- " + re.sub(r"^(RNN|LSTM|GRU)\b", rf"**\1**{after}", line) for line in sentences)


def says(sentence: str) -> None:
    """Say in large letters what the numbers say."""
    st.markdown(f"## {sentence}" if sentence else "")


class Kept(go.Figure):
    """A figure that nothing changes any more: what the browser gets of it is made once.

    Two are told apart by what they show, its subject and language, as to compare their numbers takes long.
    """

    shows: tuple[str, str] | None = None
    _sent: dict[str, Any] | None = None

    def __eq__(self, other: object) -> bool:
        return self.shows == other.shows if isinstance(other, Kept) else super().__eq__(other)

    def to_dict(self) -> dict[str, Any]:
        """Return the figure as a dictionary, whose parts callers must not change."""
        if self._sent is None:
            self._sent = super().to_dict()
        return dict(self._sent)


def kept(subject: str, draw: Callable[[], go.Figure]) -> go.Figure:
    """Return the figure of a subject in the page's language, which the server draws once.

    `subject` says all else that the figure shows.
    """
    return _kept(subject, current_language(), draw)


@st.cache_resource(max_entries=KEPT, show_spinner=False)
def _kept(subject: str, language: str, _draw: Callable[[], go.Figure]) -> go.Figure:
    figure = Kept(_draw())
    figure.shows = subject, language
    return figure


def chart(
    figure: go.Figure,
    name: str,
    alt: str | None = None,
    *,
    moves: bool = False,
    on_pick: Callable[[str], None] | None = None,
) -> None:
    """Show a figure; its own menu saves it as SVG under this name, which also is its key.

    Streamlit draws every new figure from nothing. Where a figure moves, keep the old one visible until the new one
    is drawn. Where its points can be clicked, `on_pick` is called with the `legendgroup` of the one that was.
    """
    above, last, below, picks = session.layers(name).get()
    if last is not None and figure is not last and figure != last:
        above, below = 1 - above, last
        picks = {**picks, above: session.picks(name).get()}
    elif not moves:
        below = None
    session.layers(name).set((above, figure if moves else None, below, picks))
    with st.container(key=f"layers-{name}"):
        for layer in (0, 1):
            if (shown := figure if layer == above else below) is None:
                if layer < above:
                    st.empty()  # what lies above keeps its place
                continue
            key = f"chart-{name}-layer{layer}"
            if on_pick:
                key += f"-{picks[layer]}"  # what was clicked once can be clicked again: another picture, another key
            st.plotly_chart(
                shown, width="stretch", key=key, theme="streamlit", alt=alt or name.replace("-", " "),
                on_select=partial(_pick, name, key, on_pick) if on_pick else "ignore", selection_mode="points",
                config={
                    "toImageButtonOptions": {"format": "svg", "filename": f"goldfish-{name}"},
                    "displayModeBar": True, "displaylogo": False, "modeBarButtonsToRemove": BUTTONS,
                },
            )  # fmt: skip
        if below is not None:
            st.html(f'<i class="above-{above}"></i>')  # once that is drawn, the other one is hidden


def _pick(name: str, key: str, on_pick: Callable[[str], None]) -> None:
    """Hand on which point was clicked; a click on what was clicked before picks nothing, and changes nothing."""
    if points := st.session_state[key].selection.points:
        session.picks(name).set(session.picks(name).get() + 1)
        on_pick(points[0]["legendgroup"])
