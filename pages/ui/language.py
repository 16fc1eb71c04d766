"""The language of the lesson and of Home: chosen by a switch, which the URL holds; at first the browser's."""

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

import streamlit as st

from analysis.language import LANGUAGES, mark, use_language
from pages.ui import session

R = TypeVar("R")
SWITCH = """<style>
.stMainBlockContainer { position: relative; }
.st-key-language { position: absolute; top: 1.2rem; right: 1rem; z-index: 2; width: auto; }
.st-key-language button { min-height: 1.9rem; padding: 0 .6rem; }
@media (max-width: 640px) { .st-key-language { position: fixed; top: .8rem; right: 1rem; z-index: 1000000; } }
</style>"""
MENU = (  # what the menu says, for the catalogue
    mark("Home"), mark("The lesson"), mark("Measure"), mark("Gradient decay"), mark("Gate saturation"),
    mark("Activation bounds"), mark("Compare"), mark("Your model"), mark("Understand"), mark("Why"),
    mark("Inside the cell"), mark("History"), mark("Runs"),
)  # fmt: skip
NONE = "<style>.st-key-language { display: none; }</style>"


def choose(offered: bool) -> None:
    """Draw the switch, shown where the page is written in more than one language, and use what it says there.

    It is drawn on every page, or the choice would be forgotten on those that are English alone.
    """
    st.html(SWITCH if offered else NONE)
    chosen = st.segmented_control(
        "Language", LANGUAGES, default=_browser_language(), required=True, key=session.LANGUAGE.name,
        bind="query-params", label_visibility="collapsed",
    )  # fmt: skip
    session.SPOKEN.set(LANGUAGES[chosen] if offered else "en")
    use_language(session.SPOKEN.get())


def known() -> str:
    """Return the code of the language that was chosen last, which is known before the switch is drawn."""
    named = session.LANGUAGE.get() or st.query_params.get(session.LANGUAGE.name) or _browser_language()
    return LANGUAGES.get(named, named if named in LANGUAGES.values() else "en")


def fragment(draw: Callable[..., R], every: float | None = None) -> Callable[..., R]:
    """Return a function that draws a part of the page, which Streamlit repeats alone, in the page's language."""

    @wraps(draw)
    def spoken(*arguments: object) -> R:
        use_language(session.SPOKEN.get())  # it may run in another thread than the page
        return draw(*arguments)

    return st.fragment(spoken, run_every=every)


def _browser_language() -> str:
    """Return the name of the language that the browser prefers, English where there is no catalogue for it."""
    code = (st.context.locale or "en").partition("-")[0]
    return next((name for name, each in LANGUAGES.items() if each == code), next(iter(LANGUAGES)))
