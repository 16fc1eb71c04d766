"""Text of a user, a file or a record, written so that Markdown shows it as it is."""

import re

from analysis.language import translate as _

# Signs that may mean something to Markdown: a colon before a word starts a directive, "www." a link.
SPECIAL = re.compile(r"[\\`*_{}\[\]()#+!|<>$~&@=-]|:(?! )|(?<=www)\.", re.IGNORECASE)


def escape_markdown(text: object) -> str:
    r"""Return a text in one line, every sign of Markdown escaped.

    >>> escape_markdown("a_b <c>")
    'a\\_b \\<c\\>'
    """
    return SPECIAL.sub(r"\\\g<0>", " ".join(str(text).split()))


def quote_word(word: str) -> str:
    """Return a user's word in quotation marks, escaped for Markdown."""
    return _("“{word}”").format(word=escape_markdown(word))
