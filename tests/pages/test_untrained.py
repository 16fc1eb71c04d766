"""What a page measures untrained: large models on fewer sequences, and only when asked where that takes long."""

import re

import pytest

from analysis.measures import preview
from tests.helpers.app import SMALL, app, charts, fine

# Streamlit's test runner leaves its temporary folder to the garbage collector.
pytestmark = [pytest.mark.filterwarnings("ignore::ResourceWarning"), pytest.mark.usefixtures("no_runs")]


PAGES = ("home/home", "measure/decay", "measure/bounds", "measure/gates")


def test_what_would_take_long_is_asked_about_first(monkeypatch):
    monkeypatch.setattr(preview, "SPEED", 1.0)
    for page in PAGES:
        at = fine(app(f"pages/{page}.py", **SMALL, show="a real cell"))
        asked = at.button(key="measure_anyway_button")
        assert any("takes about" in text.value for text in at.markdown)
        before = len(charts(at))
        fine(asked.click().run())
        assert len(charts(at)) > before and "takes about" not in " ".join(text.value for text in at.markdown)
        at.slider(key="hidden_size").set_value(5).run()
        assert at.button(key="measure_anyway_button")


def test_fewer_seeds_and_sequences_are_said(monkeypatch):
    assert not any("fewer sequences" in text.value for text in app(**SMALL).caption)
    monkeypatch.setattr(preview, "BUDGET", 1.0)
    for page in PAGES:
        at = fine(app(f"pages/{page}.py", **SMALL, show="a real cell"))
        assert any(re.search("fewer sequences.* 8 of 64 .1 of 2 seeds", t.value) for t in at.caption), page
