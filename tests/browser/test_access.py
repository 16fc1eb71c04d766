"""What axe-core finds on every page in both themes, and the drawing of a cell by keyboard alone."""

import re
from importlib.resources import files

import pytest
from playwright.sync_api import expect

from tests.helpers.browser import at_rest, button, has_run, settle

AXE = (files("axe_playwright_python") / "axe.min.js").read_text()
PAGES = (
    "", "decay", "gates", "bounds", "bounds?show=a+real+cell", "compare", "model", "model?model_tab=Biases+and+weights",
    "model?model_tab=Inputs", "cell",
    "cell?inside_tab=What+it+depends+on", "cell?inside_tab=What+the+GRU+saves", "cell?hold=true", "why",
    "why?why_tab=Which+directions+survive", "why?why_tab=What+would+make+it+remember", "runs", "words", "loop", "tanh",
    "goldfish", "lstm", "gru", "choice",
)  # fmt: skip
# What is Streamlit's own and can't be changed from a page: by rule, the elements in which it is not counted.
STREAMLITS_OWN = {
    "list": "[data-testid=stSidebarNavItems]",  # the menu's sections are divs in a ul
    "listitem": "[data-testid=stSidebarNavItems]",
    "presentation-role-conflict": "[data-testid=stFileUploaderDropzone]",
    "color-contrast": "button:disabled, .stPageLink [disabled]",  # axe does not see in tooltips what is disabled
}
FOUND = """own => axe.run({ resultTypes: ["violations"] }).then(({ violations }) => violations.flatMap(rule =>
    rule.nodes.filter(node => {
        const element = document.querySelector(node.target[0]);
        return !(own[rule.id] && element?.closest(own[rule.id]));
    }).map(node => `${rule.id}: ${node.html.slice(0, 200)}: ${node.failureSummary}`)))"""
STYLED = "[...document.querySelectorAll('style')].some(each => each.textContent.includes('.stMainBlockContainer'))"
DRAWING = ".st-key-layers-cell .js-plotly-plot"
SHOWN = f"""() => [...document.querySelectorAll("{DRAWING}")]
    .filter(each => each.querySelector(".main-svg") && getComputedStyle(each).visibility === "visible")
    .map(each => [...each.querySelectorAll(".annotation-text")].at(-2).textContent)"""
READS = f"word => (shown => shown.length === 1 && shown[0] === word)(({SHOWN})())"
INKS = """() => [...document.querySelectorAll(".st-key-layers-cell .annotation-text")].map(text => [
    text.textContent, getComputedStyle(text).fill,
    getComputedStyle(document.querySelector(".stApp")).backgroundColor])"""
GROUND = "getComputedStyle(document.querySelector('.stApp')).backgroundColor"
FADED = "() => document.getAnimations().every(each => !(each instanceof CSSTransition))"


@pytest.fixture(params=["light", "dark"])
def themed(request, blank):
    """A page in each theme, as a visitor's system asks for it."""
    return blank(viewport={"width": 1280, "height": 800}, color_scheme=request.param)


def opened(page, server, at):
    page.goto(server.url(at))
    if at == "runs":  # it has no picture while no run is chosen
        expect(page.get_by_text(re.compile("Nothing has been trained yet|Tick a run"))).to_be_visible()
    else:
        settle(page)
    page.wait_for_function(STYLED)
    has_run(page)


@pytest.mark.parametrize("at", PAGES)
def test_axe_finds_nothing_that_is_ours(server, blank, at):
    """In both themes: a page follows the visitor's system from one to the other."""
    page = blank(viewport={"width": 1280, "height": 800}, color_scheme="light")
    opened(page, server, at)
    page.evaluate(AXE)
    found = page.evaluate(FOUND, STREAMLITS_OWN)
    light = page.evaluate(GROUND)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"light => {GROUND} !== light", arg=light)
    page.wait_for_function(FADED)
    found += page.evaluate(FOUND, STREAMLITS_OWN)
    assert not found, "\n".join(found)


def luminance(colour):
    """Relative luminance of rgb(r, g, b), as WCAG defines it."""
    channels = [int(channel) / 255 for channel in re.findall(r"\d+", colour)[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_the_drawings_words_stand_out_in_both_themes(server, themed):
    opened(themed, server, "cell")
    inks = at_rest(themed, INKS)
    assert {"σforget", "cell state: long memory", "so"} <= {text for text, *_ in inks}
    for text, ink, ground in inks:
        light, dark = sorted((luminance(ink), luminance(ground)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, ink, ground)


def test_the_words_are_reached_stepped_and_played_by_keyboard(server, visit):
    page = visit(server.url("cell", "sentence=she+and+he+sat+down"))
    page.wait_for_function(READS, arg="he")
    has_run(page)
    page.locator(".st-key-squashed input").focus()
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.innerText").endswith("Play"):
            break
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_function(READS, arg="and")
    slider = page.get_by_role("slider", name="Word")
    has_run(page)
    slider.press("ArrowLeft")
    page.wait_for_function(READS, arg="she")
    expect(slider).to_have_attribute("aria-valuetext", "1 · she")
    has_run(page)
    button(page, "word_play").press("Enter")
    page.wait_for_function(READS, arg="down")  # it plays to the end, and stops there
    expect(button(page, "word_play")).to_be_enabled()
    expect(page).to_have_url(re.compile("word=5"))


def test_who_asks_for_less_motion_steps_and_is_offered_no_playing(server, visit):
    page = visit(server.url("cell"))
    expect(button(page, "word_play")).to_be_visible()
    page.emulate_media(reduced_motion="reduce")
    expect(button(page, "word_play")).to_be_hidden()
    expect(button(page, "word_on")).to_be_visible()


@pytest.mark.parametrize(("size", "lowest"), [((1280, 800), 800), ((390, 844), None)])
def test_the_drawing_shows_without_scrolling(server, blank, size, lowest):
    page = blank(viewport=dict(zip(("width", "height"), size, strict=True)))
    opened(page, server, "cell")
    assert at_rest(page, "() => document.documentElement.scrollWidth") <= size[0]
    drawing = page.locator(DRAWING).first.bounding_box()
    if lowest:
        assert drawing["y"] >= 0
        for part in (page.get_by_role("slider", name="Word"), page.locator(".st-key-sentence-read")):
            box = part.bounding_box()
            assert box["y"] + box["height"] <= lowest
    else:
        assert drawing["y"] < size[1] / 2
