"""Boxes and patches of the LSTM's drawing in a real Chromium: a click explains them, and so does the keyboard."""

import re

from playwright.sync_api import expect

from tests.helpers.browser import BOX, PATCH, PLACE, at_rest, settle

BESIDE = PLACE.replace("WANTED", "1").replace("DRAWING", "gru-beside")


def click(page, place, part):
    """Click a box, or the first square of a patch."""
    page.mouse.click(*at_rest(page, place, part))


def explained(page, text):
    expect(page.locator(".st-key-part").get_by_role("strong").get_by_text(text)).to_be_visible()


def test_a_click_on_a_box_or_a_patch_explains_it(server, visit):
    page = visit(server.url("lstm"))
    explained(page, "forget gate")
    for place, part, name in (
        (BOX, "input", "input gate"), (BOX, "output", "output gate"), (BOX, "input", "input gate"),
        (PATCH, "cell", "cell state"), (PATCH, "kept", "forget gate"), (BOX, "squashed", "output gate"),
    ):  # fmt: skip
        click(page, place, part)
        explained(page, name)
    click(page, BOX, "output")  # explained already
    explained(page, "output gate")
    expect(page).to_have_url(re.compile("lstm_gate=output"))
    page.get_by_role("slider", name="Word").press("ArrowRight")
    expect(page.locator(".st-key-part").get_by_text("At “he”")).to_be_visible()
    page.get_by_role("radio", name="hidden state").press("Space")
    explained(page, "hidden state")
    expect(page.locator(".st-key-part").get_by_text("After “he”")).to_be_visible()


def test_a_box_at_half_width_is_explained_until_it_is_clicked_again(server, visit):
    page = visit(server.url("gru"))
    click(page, BESIDE, "update")
    expect(page.get_by_text("GRU, update gate:")).to_be_visible()
    click(page, BESIDE, "reset")
    expect(page.get_by_text("GRU, reset gate:")).to_be_visible()
    click(page, BESIDE, "reset")
    expect(page.get_by_text("Left out:")).to_be_visible()


def test_the_lesson_leads_from_home_to_its_last_stop_in_chinese(server, visit):
    page = visit(server.url("", "language=zh"))
    page.get_by_role("link", name="1 · 词").click()
    for name in ("循环", "tanh", "金鱼", "LSTM", "GRU", "选哪个？"):
        settle(page)
        page.get_by_role("link", name=f"下一站：{name}").click()
    expect(page.get_by_role("heading", name="我该选哪一个？")).to_be_visible()
    expect(page).to_have_url(re.compile("/choice.*language="))
