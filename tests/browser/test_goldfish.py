"""The stop about forgetting in a real Chromium: the mark follows a key, and a choice outlives a change of language."""

import re

from playwright.sync_api import expect

from tests.helpers.browser import PICTURE

MARKED_AT = f"word => {PICTURE}?.layout.shapes?.[0]?.x0 === word"
SHOWS = f"share => {PICTURE}?._fullData?.find(trace => trace.name === 'RNN' && trace.showlegend)?.y[1] < share"


def test_the_mark_moves_and_the_networks_stay(server, visit):
    page = visit(server.url("goldfish", "language=English"))
    page.wait_for_function(MARKED_AT, arg=7)
    page.get_by_role("slider", name="Word").press("ArrowLeft")
    page.wait_for_function(MARKED_AT, arg=6)
    expect(page.get_by_text("6 turns later")).to_be_visible()
    page.get_by_text("trained", exact=True).click()
    page.wait_for_function(SHOWS, arg=0.4)  # of the untrained RNN nearly half is left after one turn
    page.get_by_text("中文", exact=True).click()
    expect(page.get_by_text("trained", exact=True)).to_have_count(0)
    page.get_by_text("English", exact=True).click()
    expect(page).to_have_url(re.compile("networks=trained"))
    expect(page.get_by_text("one alone says little")).to_be_visible()
    page.wait_for_function(SHOWS, arg=0.4)
