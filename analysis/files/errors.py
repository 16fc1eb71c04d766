"""The error for a user's model or data that can't be used, and text from a file made safe to show."""


class UnusableError(ValueError):
    """A file, or what is in it, can't be used; the message is one line: what was received, what is accepted."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message, 400))


def one_line(text: str, longest: int = 100) -> str:
    """Return text from a file as printable characters on one line, cut to the longest length."""
    line = "".join(sign if sign.isprintable() else "�" for sign in " ".join(text[: 2 * longest].split()))
    return line if len(line) <= longest else line[: longest - 1] + "…"
