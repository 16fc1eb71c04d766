"""The presets: links that set every widget."""

import pytest

from analysis.experiment import CELLS, SETTINGS
from pages.ui.presets import PRESETS
from pages.ui.sidebar import FIRST, MORE
from tests.helpers.app import SMALL, app, fine

# Streamlit's test runner leaves its temporary folder to the garbage collector.
pytestmark = [pytest.mark.filterwarnings("ignore::ResourceWarning"), pytest.mark.usefixtures("no_runs")]


@pytest.mark.parametrize("preset", PRESETS, ids=[preset[0] for preset in PRESETS])
def test_presets_lead_to_their_page_with_their_settings(preset):
    label, page, settings, _ = preset
    at = app(layers="2", gain="1.5", **SMALL)
    at.query_params["preset"] = label
    fine(at.switch_page(f"pages/{page}.py").run())
    assert not at.error
    assert "preset" not in at.query_params
    defaults = {name: SETTINGS[name].default for name in (*FIRST, *MORE)} | {"cells": list(CELLS)}
    assert {name: at.session_state[name] for name in defaults | settings} == defaults | settings
