"""What would make a network remember, in a real Chromium: a press on a dot takes its value over."""

import re

from playwright.sync_api import expect

from tests.helpers.browser import at_rest, has_run

DOTS = ".st-key-layers-advice-gain .scatterlayer .points path"
CENTRE = f"""place => (box => box && [box.x + box.width / 2, box.y + box.height / 2])(
    document.querySelectorAll("{DOTS}")[place]?.getBoundingClientRect())"""
SMALL = "cells=RNN&length=6&hidden_size=4&seeds=2&why_tab=What+would+make+it+remember"


def test_a_press_on_a_dot_takes_its_value_over(server, visit):
    page = visit(server.url("why", SMALL))
    has_run(page)
    expect(page.locator(DOTS)).to_have_count(7)
    page.locator(DOTS).first.scroll_into_view_if_needed()
    page.mouse.click(*at_rest(page, CENTRE, 5))  # of gain 2
    expect(page).to_have_url(re.compile("gain=2"))
