"""The page Gate saturation on a laptop's screen and on a phone's."""

import pytest
from playwright.sync_api import expect

from tests.helpers.browser import at_rest

SMALL = "hidden_size=4&seeds=1&length=6"
TOP = "() => document.querySelector('[role=tablist]').getBoundingClientRect().top"
WIDTH = "() => document.documentElement.scrollWidth"


def test_one_screen_holds_the_picture_and_what_it_says(visit, server):
    page = visit(server.url("gates", SMALL))
    page.set_viewport_size({"width": 1280, "height": 800})
    at_rest(page, WIDTH)
    for cell in ("LSTM", "GRU"):
        box = page.get_by_role("heading", name=f"{cell}: all gates are half open").bounding_box()
        assert box["y"] + box["height"] < 800
    picture = page.locator(".js-plotly-plot").first.bounding_box()
    assert picture["y"] + picture["height"] < 800


@pytest.mark.parametrize("size", [(1280, 800), (390, 844)])
def test_the_tabs_stay_where_they_are(size, visit, server):
    page = visit(server.url("gates", SMALL))
    page.set_viewport_size(dict(zip(("width", "height"), size, strict=True)))
    at_rest(page, WIDTH)
    page.get_by_role("tablist").evaluate("element => element.scrollIntoView()")
    top = at_rest(page, TOP)
    for name in ("Around the symbol", "Unit by unit", "Carry by distance", "One sequence"):
        page.get_by_role("tab", name=name).evaluate("element => element.click()")  # Playwright's own click may scroll
        expect(page.get_by_role("tabpanel").locator(".js-plotly-plot .main-svg").first).to_be_visible()
        assert at_rest(page, TOP) == pytest.approx(top, abs=2), name


def test_a_phone_shows_the_picture_at_once(visit, server):
    page = visit(server.url("gates", SMALL))
    page.set_viewport_size({"width": 390, "height": 844})
    assert at_rest(page, WIDTH) == 390
    assert page.locator(".js-plotly-plot").first.bounding_box()["y"] < 844 / 2
