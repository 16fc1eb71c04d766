"""How a word that a network predicts is named: in quotation marks, a sign by its name."""

from analysis.language import mark
from analysis.language import translate as _
from analysis.reading import UNKNOWN

SIGNS = {
    ",": mark("a comma"), "，": mark("a comma"), ".": mark("a full stop"), "。": mark("a full stop"),
    "?": mark("a question mark"), "？": mark("a question mark"), "!": mark("an exclamation mark"),
    "！": mark("an exclamation mark"), ":": mark("a colon"), "：": mark("a colon"), ";": mark("a semicolon"),
    "；": mark("a semicolon"), "、": mark("an enumeration comma"), "-": mark("a hyphen"), "—": mark("a dash"),
    '"': mark("a quotation mark"), "“": mark("an opening quotation mark"), "”": mark("a closing quotation mark"),
    "「": mark("an opening quotation mark"), "」": mark("a closing quotation mark"), "'": mark("an apostrophe"),
    "‘": mark("an opening quotation mark"), "’": mark("a closing quotation mark"),
}  # fmt: skip


def name_predicted(word: str, written: str) -> str:
    """Name a word that a network predicts; `written` is the word as the medium shows it, without quotation marks."""
    if word == UNKNOWN:
        return _("a word outside its vocabulary")
    return _(SIGNS[word]) if word in SIGNS else _("“{word}”").format(word=written)
