"""The language of texts for readers: English, or another that has a catalogue in `catalogues`.

Code holds English. `translate` (as `_`) looks a text up where it is shown; `mark` names a text that stands in a table
and is looked up later. Placeholders are filled after that: `_("{count} words").format(count=3)`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from gettext import NullTranslations, translation
from pathlib import Path

LANGUAGES = {"English": "en", "中文": "zh"}  # what each is called by those who read it, and its code
FOLDER = Path(__file__).parent / "catalogues"
_language = ContextVar("language", default="en")


def use_language(code: str) -> None:
    """Write texts in a language from now on, in this thread.

    Raises:
        ValueError: for a language that has no catalogue.
    """
    if code not in LANGUAGES.values():
        raise ValueError(f"language {code!r}: expected one of {', '.join(LANGUAGES.values())}")
    _language.set(code)


@contextmanager
def in_language(code: str) -> Iterator[None]:
    """Write texts in a language within a `with` block."""
    before = current_language()
    use_language(code)
    try:
        yield
    finally:
        use_language(before)


def current_language() -> str:
    """Return the code of the language that texts are written in."""
    return _language.get()


def translate(text: str) -> str:
    """Return a text in the current language; as it is, where the catalogue lacks it."""
    return _catalogue(current_language()).gettext(text)


def translate_count(one: str, many: str, count: int) -> str:
    """Return the text for one or for many in the current language; `count` chooses."""
    return _catalogue(current_language()).ngettext(one, many, count)


def join_sentences(*sentences: str) -> str:
    """Join those sentences that are not empty, with a space between them where the current language has one."""
    return ("" if current_language() == "zh" else " ").join(filter(None, sentences))


def mark(text: str) -> str:
    """Return a text unchanged: it belongs into the catalogue, and is translated where it is shown."""
    return text


@cache
def _catalogue(code: str) -> NullTranslations:
    return NullTranslations() if code == "en" else translation("goldfish", FOLDER, [code])
