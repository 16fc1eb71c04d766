"""Whole flows in a real Chromium, on a server with a history of its own."""

import csv
import io
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from pathlib import Path

import pytest
from playwright import sync_api as playwright
from playwright.sync_api import expect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = pytest.mark.skipif(not CHROMIUM and not os.environ.get("CI"), reason="no Chromium on this machine")

PATIENCE = 60_000  # milliseconds after which a wait is a failure
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
SMALL = "cells=LSTM&cells=GRU&hidden_size=8&seeds=2&length=10&batch_size=8"
SHORT, LONG = f"{SMALL}&steps=100", f"{SMALL}&steps=1500&snapshot_every=50"
IN_SIGHT = """[...document.querySelectorAll(".js-plotly-plot")].filter(
    each => each.querySelector(".main-svg") && each.offsetHeight && getComputedStyle(each).visibility === "visible")"""
PICTURE = f"{IN_SIGHT}[0]"  # not that below it
CURVE = f"""name => {{
    const found = {PICTURE}?._fullData?.find(trace => trace.name === name && trace.x.length > 2);
    return found && Array.from(found.y);
}}"""
CHANGED = f"before => (now => now && String(now) !== String(before))(({CURVE})('GRU'))"
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
DRAWN = """() => document.querySelector(".js-plotly-plot .main-svg")
    && document.querySelector(".js-plotly-plot")._fullData.length"""


class Server:
    """`streamlit run dashboard.py` in a process group of its own."""

    def __init__(self, folder):
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.start()

    def start(self):
        command = [sys.executable, "-m", "streamlit", "run", "dashboard.py", "--server.headless", "true"]
        command += ["--server.port", str(self.port), "--server.address", "127.0.0.1"]
        environment = os.environ | {"GOLDFISH_STORE": str(self.folder / "runs.sqlite"), "OMP_NUM_THREADS": "1"}
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(
                command, cwd=Path(__file__).parents[2], env=environment, stdout=log, stderr=log, start_new_session=True
            )
        end = time.monotonic() + PATIENCE / 1000
        while not self.healthy():
            assert time.monotonic() < end and self.process.poll() is None, (self.folder / "log").read_text()
            time.sleep(0.05)

    def healthy(self):
        try:
            with urllib.request.urlopen(f"{self.url()}_stcore/health", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def url(self, page="", settings=""):
        return f"http://127.0.0.1:{self.port}/{page}" + f"?{settings}" * bool(settings)

    def kill(self, how=signal.SIGKILL):
        self.process.send_signal(how)
        self.process.wait(20)


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("server"))
    yield server
    server.kill(signal.SIGTERM)


@pytest.fixture
def visit(browser):
    """Open a page as a visitor who was never here; what the page throws fails the test."""
    contexts, thrown = [], []

    def opened(url):
        contexts.append(browser.new_context(accept_downloads=True, viewport={"width": 1280, "height": 1400}))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: thrown.append(error))
        page.set_default_timeout(PATIENCE)
        expect.set_options(timeout=PATIENCE)
        page.goto(url)
        settle(page)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not thrown


def settle(page):
    """Wait until a page is drawn; a server's first visit by a deep link covers it with a dialog."""
    page.wait_for_function(DRAWN)
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
    if page.get_by_text("Page not found").count():
        page.keyboard.press("Escape")
    expect(page.get_by_test_id("stException")).to_have_count(0)


def has_run(page):
    """Wait until the page's script has ended: until then what it drew before may be there beside what it draws."""
    expect(page.locator("[data-test-script-state=notRunning]")).to_have_count(1)


def button(page, name):
    """Find a button by its key; one with a tooltip is there twice."""
    return page.locator(f".st-key-{name} button").first


def curve(page):
    """Return the GRU's curve, once it is drawn."""
    return page.wait_for_function(CURVE, arg="GRU").json_value()


def train(page):
    button(page, "train").click()


def is_trained(page):
    expect(page.get_by_text("Trained.")).to_be_visible()
    expect(page.get_by_text(re.compile("GRU: accuracy .*; memory span"))).to_be_visible()


def test_from_home_to_a_file_on_disk(server, visit, tmp_path):
    page = visit(server.url(settings=f"{SMALL}&steps=100"))
    slider = page.get_by_role("slider", name="Hidden size")
    before = curve(page)
    slider.press("ArrowRight")
    page.wait_for_function(CHANGED, arg=before)
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
    drawn = curve(page)
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
    scrolled = "document.querySelector('[data-testid=stMain]').scrollTop"
    links = "[...document.querySelectorAll('[data-testid=stPageLink] a')]"
    page.evaluate(f"{links}.forEach(link => link.name = link.innerText)")
    helps, forget = ("How a start helps", "orthogonal"), ("All three forget", "as torch")
    for preset, start in (helps, forget, helps):
        page.get_by_role("link", name=preset).press("Enter")
        expect(page.get_by_role("radio", name=start)).to_be_checked()
        page.wait_for_function(f"{scrolled} === 0")
        page.evaluate(f"{scrolled} = 400")
        assert page.evaluate(scrolled) > 100
        has_run(page)
        # what one above them adds or takes away would lead a press on its way to another preset
        assert page.evaluate(f"{links}.every(link => link.name === link.innerText)")


def test_every_change_of_a_picture_is_in_the_url(server, visit):
    page = visit(server.url("decay", f"preset=tanh,+and+yet+it+explodes&{SMALL}"))
    for name, said in (("position", "axis=position"), ("absolute", "size=absolute"), ("distance", None)):
        page.get_by_role("radio", name=name).click()
        if said:
            expect(page).to_have_url(re.compile(said))
    expect(page).not_to_have_url(re.compile("axis="))
    page.get_by_role("radio", name="position").click()
    expect(page).to_have_url(re.compile("axis=position.*size=absolute"))
    page.reload()
    settle(page)
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


def test_training_outlives_sliders_reloads_and_is_seen_by_others(server, visit):
    page, other = (visit(server.url("decay", f"{LONG}&seed=1")) for _ in range(2))
    train(page)
    expect(page.get_by_text(re.compile("GRU at step [1-9]"))).to_be_visible()
    page.evaluate(WATCH)
    train(other)  # joins
    expect(other.get_by_text(re.compile("GRU at step [1-9]"))).to_be_visible()
    other.get_by_role("slider", name="Threshold").press("ArrowRight")
    other.wait_for_function(NAMED, arg="3 %")
    page.wait_for_function("pictures > 3")
    assert page.evaluate("blank") <= 1  # where the next picture comes before the last is drawn
    page.get_by_role("slider", name="Hidden size").press("ArrowRight")
    expect(button(page, "train")).to_be_enabled()
    page.get_by_role("slider", name="Hidden size").press("ArrowLeft")
    page.reload()
    settle(page)
    is_trained(page)
    is_trained(other)
    assert curve(page) == curve(other)

    expect(other.get_by_text("horizon after training at 3 %")).to_be_visible()
    button(page, "step_play").click()
    expect(button(page, "step_pause")).to_be_enabled()
    page.get_by_role("slider", name="Threshold").press("ArrowRight")  # it plays on, and all of the page follows
    expect(page.get_by_text("horizon after training at 3 %")).to_be_visible()
    page.wait_for_function(NAMED, arg="3 %")
    expect(page).to_have_url(re.compile("threshold=3"))
    between = re.compile(r"^(?!1500)\d{3,4}$")  # whichever step is seen on the way
    expect(page.get_by_role("slider", name="Training step")).to_have_attribute("aria-valuetext", between)
    button(page, "step_pause").click()
    expect(button(page, "step_play")).to_contain_text("Play")
    expect(page).to_have_url(re.compile("step="))


def test_cancel_and_resume(server, visit):
    page = visit(server.url("decay", f"{LONG}&seed=2"))
    train(page)
    expect(page.get_by_text(re.compile("GRU at step [1-9]"))).to_be_visible()
    button(page, "cancel").click()
    expect(button(page, "train")).to_have_text(re.compile("Resume"))
    expect(button(page, "cancel")).to_be_disabled()  # all cells have stopped
    button(page, "train").click()
    is_trained(page)


def test_a_killed_server_loses_nothing(visit, tmp_path):
    server = Server(tmp_path)
    try:
        page = visit(server.url("decay", LONG))
        train(page)
        expect(page.get_by_text(re.compile("GRU at step [1-9]"))).to_be_visible()
        server.kill()
        page.context.close()
        server.start()
        page = visit(server.url("decay", LONG))
        expect(page.get_by_text("GRU: interrupted at step")).to_be_visible()
        expect(button(page, "train")).to_have_text(re.compile("Resume"))
        button(page, "train").click()
        is_trained(page)
    finally:
        server.kill()


def test_runs_are_compared_renamed_and_deleted(server, visit):
    page = visit(server.url("decay", f"{SHORT}&seed=3"))
    train(page)
    is_trained(page)
    page.get_by_role("link", name="Runs", exact=False).click()
    page.get_by_test_id("stTextInputField").fill("seed 3")
    page.get_by_test_id("stTextInputField").press("Enter")
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
