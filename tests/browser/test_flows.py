"""Whole flows in a real Chromium, on a server with a history of its own."""

import csv
import io
import re
import signal
import zipfile

import pytest
from playwright.sync_api import expect

from tests.helpers.browser import (
    CURVE,
    IN_SIGHT,
    PICTURE,
    Server,
    at_rest,
    button,
    curve,
    has_run,
    is_trained,
    open_display,
    settle,
    train,
)

SMALL = "cells=LSTM&cells=GRU&hidden_size=8&seeds=2&length=10&batch_size=8"
SHORT, PLAYED = f"{SMALL}&steps=100", f"{SMALL}&steps=1500&snapshot_every=10"  # played for a minute
ENDLESS = SMALL.replace("length=10", "length=500") + "&steps=100000&snapshot_every=10"  # for half an hour at least
CHANGED = f"before => (now => now && String(now) !== String(before))(({CURVE})('GRU'))"
SECOND = f"{IN_SIGHT}[1]"  # on Home the first picture is of a sentence, and follows no setting
NAMED = f"text => {PICTURE}?.layout.annotations?.some(each => each.text === text)"
WATCH = """() => {
    const seen = new Set();
    window.pictures = window.blank = 0;
    const look = () => {
        const drawn = IN_SIGHT.filter(
            each => each.closest(".st-key-layers-decay") && each.querySelector(".scatterlayer path"));
        drawn.filter(each => !seen.has(each)).forEach(each => { seen.add(each); pictures++; });
        if (drawn.length !== 1) blank++;
        requestAnimationFrame(look);
    };
    look();
}""".replace("IN_SIGHT", IN_SIGHT)  # counts the pictures drawn, and the frames in which not just one is in sight


def test_from_home_to_a_file_on_disk(server, visit, tmp_path):
    page = visit(server.url(settings=f"{SMALL}&steps=100"))
    slider = page.get_by_role("slider", name="Hidden size")
    before = page.wait_for_function(CURVE.replace(PICTURE, SECOND), arg="GRU").json_value()
    slider.press("ArrowRight")
    page.wait_for_function(CHANGED.replace(PICTURE, SECOND), arg=before)
    expect(page).to_have_url(re.compile("hidden_size=9"))

    page.get_by_role("link", name="Gradient decay").click()
    expect(page).to_have_url(re.compile(r"/decay\?.*hidden_size=9"))
    expect(page.get_by_text("2 cells × 2 seeds, about")).to_be_visible()
    before = curve(page)
    train(page)
    is_trained(page)
    page.wait_for_function(CHANGED, arg=before)

    page.reload()
    settle(page)
    is_trained(page)
    expect(page.get_by_role("slider", name="Hidden size")).to_have_value("9")
    drawn = curve(page)  # by then the download is what is drawn
    with page.expect_download() as download:
        button(page, "download-decay").click()
    download.value.save_as(tmp_path / "page.zip")
    with zipfile.ZipFile(tmp_path / "page.zip") as archive:
        name = next(name for name in archive.namelist() if name.endswith("decay.csv"))
        rows = list(csv.DictReader(io.StringIO(archive.read(name).decode())))
    written = [float(row["relative"]) for row in rows if (row["cell"], row["phase"]) == ("gru", "after")]
    assert written == pytest.approx(drawn, rel=1e-12) and len(written) == 10


def test_a_preset_shows_its_page_from_the_top(server, visit):
    page = visit(server.url("", SMALL))
    page.set_viewport_size({"width": 1280, "height": 500})
    scrolled = "() => document.querySelector('[data-testid=stMain]').scrollTop"
    for preset, start in (("How a start helps", "orthogonal"), ("All three forget", "default")):
        expect(page.get_by_role("link", name=preset)).to_be_visible()
        at_rest(page, scrolled)
        page.get_by_role("link", name=preset).scroll_into_view_if_needed()
        assert page.evaluate(scrolled) > 100
        page.get_by_role("link", name=preset).click()
        expect(page).to_have_url(re.compile("/decay"))
        expect(page.get_by_role("combobox", name="Initialisation")).to_have_value(start)
        page.wait_for_function(f"({scrolled})() === 0")
        page.get_by_role("link", name="Home", exact=True).click()


def test_every_change_of_a_picture_is_in_the_url(server, visit):
    page = visit(server.url("decay", f"preset=tanh,+and+yet+it+explodes&{SMALL}"))
    open_display(page)
    for name, said in (("position", "axis=position"), ("absolute", "size=absolute"), ("distance", None)):
        page.get_by_role("radio", name=name).click()
        if said:
            expect(page).to_have_url(re.compile(said))
    expect(page).not_to_have_url(re.compile("axis="))
    page.get_by_role("radio", name="position").click()
    expect(page).to_have_url(re.compile("axis=position.*size=absolute"))
    page.reload()
    settle(page)
    open_display(page)
    expect(page.get_by_role("radio", name="absolute")).to_be_checked()
    assert "default value" not in (server.folder / "log").read_text()


def test_a_deep_link_on_a_fresh_server(visit, tmp_path):
    fresh = Server(tmp_path)
    try:
        page = visit(fresh.url("gates", f"{SMALL}&init=orthogonal&gates_tab=Unit+by+unit"))
        expect(page.get_by_role("slider", name="Hidden size")).to_have_value("8")
        expect(page.get_by_role("tab", name="Unit by unit")).to_have_attribute("aria-selected", "true")
        expect(page.locator(".js-plotly-plot")).to_have_count(2)
    finally:
        fresh.kill(signal.SIGTERM)


def stopped_at(page, said):
    """Return after how many updates the GRU stopped, once the page says so and offers to go on."""
    expect(button(page, "cancel")).to_be_disabled()  # all cells have stopped
    expect(button(page, "train")).to_have_text(re.compile("Resume"))
    has_run(page)  # until then it may say what it said when but one had stopped
    return int(re.search(r"GRU[a-z: ]* after (\d+)", page.get_by_text(said).inner_text())[1])


def test_training_outlives_sliders_reloads_and_is_seen_by_others(server, visit):
    page, other = (visit(server.url("decay", f"{ENDLESS}&seed=1")) for _ in range(2))
    train(page)
    expect(page.get_by_text(re.compile("GRU after [1-9]"))).to_be_visible()
    page.evaluate(WATCH)
    train(other)  # joins
    expect(other.get_by_text(re.compile("GRU after [1-9]"))).to_be_visible()
    open_display(other)
    other.get_by_role("slider", name="Threshold").press("ArrowRight")
    other.wait_for_function(NAMED, arg="3 %")
    page.wait_for_function("pictures > 1")
    open_display(page)
    for key in ("ArrowRight", "ArrowLeft"):
        before = page.evaluate("pictures")
        page.get_by_role("slider", name="Threshold").press(key)
        page.wait_for_function("before => pictures > before", arg=before)
    page.wait_for_function("pictures > 3")
    assert page.evaluate("blank < pictures / 2")  # a frame where the next picture comes before the last is drawn
    page.get_by_role("slider", name="Hidden size").press("ArrowRight")
    expect(button(page, "train")).to_be_enabled()
    page.get_by_role("slider", name="Hidden size").press("ArrowLeft")
    expect(button(page, "train")).to_be_disabled()
    expect(page).to_have_url(re.compile("hidden_size=8"))
    page.reload()
    settle(page)
    expect(page.get_by_text(re.compile("GRU after [1-9]"))).to_be_visible()
    button(page, "cancel").click()
    assert stopped_at(page, "Cancelled:") == stopped_at(other, "Cancelled:")
    assert curve(page) == curve(other)


def test_a_trained_run_is_played(server, visit):
    page = visit(server.url("decay", f"{PLAYED}&seed=1"))
    train(page)
    is_trained(page)
    button(page, "step_play").click()
    expect(button(page, "step_pause")).to_be_enabled()
    open_display(page)
    page.get_by_role("slider", name="Threshold").press("ArrowRight")  # it plays on, and all of the page follows
    expect(page.get_by_text("horizon after training at 3 %")).to_be_visible()
    page.wait_for_function(NAMED, arg="3 %")
    expect(page).to_have_url(re.compile("threshold=3"))
    if button(page, "step_play").count():  # all was played meanwhile
        button(page, "step_play").click()
    between = re.compile(r"^(?!1500$)\d+$")  # whichever step is seen on the way
    expect(page.get_by_role("slider", name="Update")).to_have_attribute("aria-valuetext", between)
    button(page, "step_pause").click()
    expect(button(page, "step_play")).to_contain_text("Play")
    expect(page).to_have_url(re.compile("step="))


def resume(page, step):
    """Go on, and cancel once the GRU is beyond the step at which it stopped."""
    button(page, "train").click()
    page.wait_for_function("step => document.body.innerText.match(/GRU (\\d+)[^.]* of 100000/)?.[1] > step", arg=step)
    button(page, "cancel").click()
    assert stopped_at(page, "Cancelled:") > step


def test_cancel_and_resume(server, visit):
    page = visit(server.url("decay", f"{ENDLESS}&seed=2"))
    train(page)
    expect(page.get_by_text(re.compile("GRU after [1-9]"))).to_be_visible()
    button(page, "cancel").click()
    resume(page, stopped_at(page, "Cancelled:"))


def test_a_killed_server_loses_nothing(visit, tmp_path):
    server = Server(tmp_path)
    try:
        page = visit(server.url("decay", ENDLESS))
        train(page)
        expect(page.get_by_text(re.compile("GRU after [1-9]"))).to_be_visible()
        server.kill()
        page.context.close()
        server.start()
        page = visit(server.url("decay", ENDLESS))
        resume(page, stopped_at(page, "GRU: interrupted after"))
    finally:
        server.kill()


def test_runs_are_compared_renamed_and_deleted(server, visit):
    page = visit(server.url("decay", f"{SHORT}&seed=3"))
    train(page)
    is_trained(page)
    page.get_by_role("link", name="Runs", exact=True).click()
    page.get_by_role("textbox", name="Filter").fill("seed 3 finished")
    page.get_by_role("textbox", name="Filter").press("Enter")
    expect(page).to_have_url(re.compile("filter=seed"))
    table = page.get_by_test_id("stDataFrame").filter(has=page.locator("[aria-rowcount='3']"))  # the head too
    for row in (0, 1):
        expect(table).to_have_count(1)
        has_run(page)
        table.click(position={"x": 15, "y": 35 + 66 * row + 33})
        expect(page.locator(".js-plotly-plot")).to_have_count(3)
        expect(page.locator(".js-plotly-plot").first.locator(".legendtext")).to_have_count(1 + row)
    expect(page).to_have_url(re.compile(r"filter=seed.*chosen=\w+&chosen=\w+"))
    page.reload()
    expect(page.locator(".js-plotly-plot").first.locator(".legendtext")).to_have_count(2)
    expect(button(page, "rename")).to_be_disabled()
    button(page, "delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Keep").click()
    has_run(page)
    table.click(position={"x": 15, "y": 35 + 33})
    expect(button(page, "rename")).to_be_enabled()
    button(page, "rename").click()
    page.get_by_role("dialog").get_by_label("Name").fill("one of mine")
    page.get_by_role("dialog").get_by_label("Name").press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator(".js-plotly-plot").first.locator(".legendtext")).to_have_text("one of mine")
    button(page, "delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.locator(".js-plotly-plot")).to_have_count(0)
    has_run(page)
    expect(page.get_by_text("is not here")).to_have_count(0)  # who deletes a run knows it
