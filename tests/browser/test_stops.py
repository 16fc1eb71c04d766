"""Every stop of the lesson fits one screen of 1280×800 in a real Chromium, down to the row that leads on."""

import pytest
from playwright.sync_api import expect

from analysis.figures.parts import VIEWS
from analysis.language import in_language
from analysis.language import translate as _
from pages.ui import lesson
from pages.ui.stops import STOPS
from tests.helpers.browser import at_rest

HEIGHT = 800
PLACE = """() => [document.querySelector("[data-testid=stMain]").scrollTop,
    document.querySelector(".st-key-leads").getBoundingClientRect().bottom]"""


@pytest.fixture(params=["en", "zh"])
def words(request, server, blank):
    """The lesson's first stop, in a language that the test writes too."""
    page = blank(viewport={"width": 1280, "height": HEIGHT})
    page.goto(server.url("words", f"language={request.param}"))
    with in_language(request.param):
        yield page


def fits(page, what):
    scrolled, bottom = at_rest(page, PLACE)
    assert scrolled == 0 and bottom <= HEIGHT, what


def test_the_row_that_leads_on_is_in_sight_at_every_stop(words):
    page = words
    for name, stop in STOPS.items():
        expect(page.get_by_role("heading", name=_(stop.question))).to_be_visible()
        fits(page, name)
        if name == "lstm":
            for view in VIEWS["lstm"]:
                page.get_by_role("radio", name=_(lesson.VIEWS[view])).press("Space")
                expect(
                    page.locator(".st-key-part").get_by_role("strong").get_by_text(_(lesson.VIEWS[view]))
                ).to_be_visible()
                fits(page, view)
            page.get_by_role("radio", name=_(lesson.VIEWS["forget"])).press("Space")
            page.get_by_text(_("hold this gate")).click()
            expect(page.locator(".st-key-layers-held .js-plotly-plot").first).to_be_visible()
            fits(page, "held")
        following = page.locator(".st-key-leads a", has_text=_("Next: {stop}").partition("{")[0])
        if name != [*STOPS][-1]:
            following.click()
