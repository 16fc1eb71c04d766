"""What would make a network remember, in a real Chromium: a press on a dot takes its value over."""

import re

from playwright.sync_api import expect

from tests.helpers.browser import has_run, settle

PICTURE = ".st-key-layers-advice-gain"
SMALL = "cells=RNN&length=6&hidden_size=4&seeds=2&why_tab=What+would+make+it+remember"


def test_a_press_on_a_dot_takes_its_value_over(server, visit):
    page = visit(server.url("why", SMALL))
    has_run(page)
    page.locator(PICTURE).scroll_into_view_if_needed()
    settle(page)
    dots = page.locator(f"{PICTURE} .scatterlayer .points path")
    expect(dots).to_have_count(7)
    box = dots.nth(5).bounding_box()  # of gain 2
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page).to_have_url(re.compile("gain=2"))
