"""What a page measures untrained: large models on fewer sequences, and only when asked where that takes long."""

import re

import pytest

from analysis.measures import preview
from pages.ui import untrained
from tests.helpers.app import SMALL, app, charts, fine

# Streamlit's test runner leaves its temporary folder to the garbage collector.
pytestmark = [pytest.mark.filterwarnings("ignore::ResourceWarning"), pytest.mark.usefixtures("no_runs")]


PAGES = ("home/home", "measure/decay", "measure/bounds", "measure/gates")


def test_what_would_take_long_is_asked_about_first(monkeypatch):
    monkeypatch.setattr(untrained, "PATIENCE", 0.0)
    for page in PAGES:
        at = fine(app(f"pages/{page}.py", **SMALL, show="a real cell"))
        asked = at.button(key="measure_anyway_button")
        assert any("takes about" in text.value for text in at.markdown)
        before = len(charts(at))
        fine(asked.click().run())
        assert len(charts(at)) > before and "takes about" not in " ".join(text.value for text in at.markdown)
        at.slider(key="hidden_size").set_value(5).run()
        assert at.button(key="measure_anyway_button")


def test_the_nearest_setting_that_comes_at_once_is_offered(monkeypatch):
    seconds = {512: 60.0, 256: 20.0, 128: 1.0}
    monkeypatch.setattr(preview, "preview_seconds", lambda each: seconds.get(each.hidden_size, 0.1))
    monkeypatch.setattr(untrained, "preview_seconds", preview.preview_seconds)
    at = fine(app("pages/measure/decay.py", **SMALL | {"hidden_size": 512, "cells": "GRU"}))
    assert not any(button.key == "use_length_button" for button in at.button)  # no length would do
    offered = at.button(key="use_hidden_size_button")
    assert offered.label == "Use hidden size 128"
    fine(offered.click().run())
    assert at.slider(key="hidden_size").value == 128
    assert charts(at)


def test_fewer_seeds_and_sequences_are_said(monkeypatch):
    assert not any("fewer sequences" in text.value for text in app(**SMALL).caption)
    monkeypatch.setattr(preview, "BUDGET", 1.0)
    for page in PAGES:
        at = fine(app(f"pages/{page}.py", **SMALL, show="a real cell"))
        assert any(re.search("fewer sequences.* 8 of 64 .1 of 2 seeds", t.value) for t in at.caption), page
