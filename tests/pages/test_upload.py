"""A text of the visitor's own, uploaded in the sidebar."""

import pytest

from tests.helpers.app import SMALL, app, fine

pytestmark = [pytest.mark.filterwarnings("ignore::ResourceWarning"), pytest.mark.usefixtures("no_runs")]


def upload(at, name, content):
    [widget] = [each for each in at.get("file_uploader") if each.key == "upload"]
    widget.set_value((name, content, "text/plain"))
    return fine(at.run())


@pytest.mark.parametrize(
    "task, reason",
    [
        ("text", "18 characters: expected at least 70 for length=6"),
        ("words", "5 words: expected at least 80 for length=6"),
    ],
)
@pytest.mark.parametrize("page", ["home/home", "measure/decay", "measure/gates"])
def test_a_text_that_is_too_short_is_refused_by_the_name_its_visitor_knows(page, task, reason):
    at = upload(app(f"pages/{page}.py", **SMALL, task=task), "my story.txt", b"once upon a time !")
    [error] = at.error
    assert error.value.replace("\\", "") == f"text_file='my story.txt': {reason}"


def test_a_text_that_is_not_utf_8_is_refused_by_the_name_its_visitor_knows():
    at = upload(app("pages/measure/decay.py", **SMALL, task="text"), "story.txt", b"caf\xe9")
    assert "story.txt is not UTF-8 (byte 3)" in at.error[0].value.replace("\\", "")
