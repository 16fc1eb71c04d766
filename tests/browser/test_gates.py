"""The page Gate saturation on a laptop's screen and on a phone's."""

import pytest

from tests.helpers.browser import has_run, settle

SMALL = "hidden_size=4&seeds=1&length=6"
TOP = "element => element.getBoundingClientRect().top"


def test_one_screen_holds_the_picture_and_what_it_says(visit, server):
    page = visit(server.url("gates", SMALL))
    page.set_viewport_size({"width": 1280, "height": 800})
    for cell in ("LSTM", "GRU"):
        box = page.get_by_role("heading", name=f"{cell}: all gates are half open").bounding_box()
        assert box["y"] + box["height"] < 800
    picture = page.locator(".js-plotly-plot").first.bounding_box()
    assert picture["y"] + picture["height"] < 800


@pytest.mark.parametrize("size", [(1280, 800), (390, 844)])
def test_the_tabs_stay_where_they_are(size, visit, server):
    page = visit(server.url("gates", SMALL))
    page.set_viewport_size(dict(zip(("width", "height"), size, strict=True)))
    tabs = page.get_by_role("tablist")
    tabs.evaluate("element => element.scrollIntoView()")
    top = tabs.evaluate(TOP)
    for name in ("Around the symbol", "Unit by unit", "Carry by distance", "One sequence"):
        page.get_by_role("tab", name=name).evaluate("element => element.click()")  # Playwright's own click may scroll
        has_run(page)
        settle(page)
        assert tabs.evaluate(TOP) == pytest.approx(top, abs=2), name


def test_a_phone_shows_the_picture_at_once(visit, server):
    page = visit(server.url("gates", SMALL))
    page.set_viewport_size({"width": 390, "height": 844})
    settle(page)
    assert page.locator(".js-plotly-plot").first.bounding_box()["y"] < 844 / 2
    assert page.evaluate("document.documentElement.scrollWidth") == 390
