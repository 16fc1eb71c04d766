"""What a link says of the settings: accepted in any case; what can't be used is left out, and said."""

import math

import streamlit as st

from analysis.experiment import CELLS, SETTINGS, accepted_values, setting_type, validated
from analysis.language import LANGUAGES
from analysis.report.markdown import escape_markdown
from analysis.report.wording import join_words
from pages.ui import lesson, session
from pages.ui.settings import TEXT_CHOICES

CELL_CHOICES = (session.CELLS.name, session.INSIDE_CELL.name, session.BOUNDS_CELL.name)
PARTS = ("lstm_gate", "gru_gate")  # once named by a word alone: "forget" for "forget gate"
NUMBERS = ("model_variance", "model_steps", "model_sequences", "sequence")  # that pages ask for besides settings
LONGEST = 60  # letters of a value that are shown


def mend() -> None:
    """Reload the page by a link without what its widgets can't show; then say what was left out.

    Streamlit drops such values without a word, and its number inputs fail on those that are not finite.
    """
    url = {name: st.query_params.get_all(name) for name in st.query_params}
    sound = {key: [text for each in url[key] if (text := _mended(key, each)) is not None] for key in url}
    if sound != url:
        session.IGNORED.get().extend(_refusals(url, sound))
        st.switch_page(session.PAGE.get(), query_params={name: values for name, values in sound.items() if values})
    if ignored := session.IGNORED.pop():
        st.toast(f"Ignored in the link: {'; '.join(ignored)}.", icon=":material/link_off:", duration="long")


def read(name: str) -> str | float | None:
    """Return the value that the URL gives a widget of the sidebar; None for another name, and for a bad value."""
    text = _mended(name, st.query_params[name])
    if name == session.TEXT.name or text is None:
        return text
    return None if name not in SETTINGS or not text else setting_type(name)[0](text)


def check(key: str, options: tuple[str, ...]) -> None:
    """Say of a widget that is drawn for the first time if the link's value is none of its options."""
    if key in st.query_params and key not in st.session_state and st.query_params[key] not in options:
        expected = join_words(options, "or")
        st.toast(f"Ignored in the link: {key}={_shown(st.query_params[key])}, expected {expected}.", duration="long")


def _mended(name: str, text: str) -> str | None:
    """Return a value of the URL as its widget writes it; None where the widget can't show it."""
    if name in CELL_CHOICES:
        return text.upper() if text.lower() in CELLS else None
    if name == session.TEXT.name:
        return text.lower() if text.lower() in TEXT_CHOICES else None
    if name == session.LANGUAGE.name:
        return next((own for own, code in LANGUAGES.items() if text.lower() in (own.lower(), code)), None)
    if name in PARTS:
        return lesson.VIEWS.get(text, text)
    if name in NUMBERS:
        return text if _is_finite(text) else None
    if name not in SETTINGS:
        return text
    if choices := SETTINGS[name].choices:
        return next((choice for choice in choices if choice == text.lower()), None)
    type_, optional = setting_type(name)
    if type_ is str or (optional and not text):
        return text
    try:
        number = validated(name, int(text) if type_ is int else float(text))
    except (ValueError, OverflowError):
        return None
    return text if number is not None and number <= (SETTINGS[name].page_high or number) else None


def _is_finite(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _refusals(url: dict[str, list[str]], sound: dict[str, list[str]]) -> list[str]:
    """Return a line for each value that was left out: what it was, and what is accepted."""
    return [
        f"{name}={_shown(text)}, expected {_accepted(name)}"
        for name, values in url.items()
        for text in values
        if _mended(name, text) is None and name in sound
    ]


def _accepted(name: str) -> str:
    if name in CELL_CHOICES:
        return join_words([cell.upper() for cell in CELLS], "or")
    if name in NUMBERS:
        return "a number"
    if name == session.TEXT.name:
        return join_words(TEXT_CHOICES, "or")
    if name == session.LANGUAGE.name:
        return join_words([*LANGUAGES], "or")
    high = SETTINGS[name].page_high
    return accepted_values(name) if high is None else f"a whole number from {SETTINGS[name].low} to {high}"


def _shown(text: str) -> str:
    return escape_markdown(text if len(text) <= LONGEST else text[:LONGEST] + "…")
