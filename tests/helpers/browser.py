"""A server of the dashboard, and pages of it in a Chromium."""

import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

from playwright.sync_api import expect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PATIENCE = 120_000  # milliseconds after which a wait is a failure
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
IN_SIGHT = """[...document.querySelectorAll(".js-plotly-plot")].filter(
    each => each.querySelector(".main-svg") && each.offsetHeight && getComputedStyle(each).visibility === "visible")"""
PICTURE = f"{IN_SIGHT}[0]"  # not that below it
CURVE = f"""name => {{
    const found = {PICTURE}?._fullData?.find(trace => trace.name === name && trace.x.length > 2);
    return found && Array.from(found.y);
}}"""
DRAWN = """() => document.querySelector(".js-plotly-plot")?._fullData?.length
    && [...document.querySelectorAll(".stPlotlyChart")].every(each => each.querySelector(".main-svg"))"""
FRAMES = 10  # without a change, after which a page is taken to be at rest
AT_REST = """([arg, frames]) => new Promise((found, failed) => {
    let before, same = 0, seen = 0;
    const look = () => {
        const now = JSON.stringify((LOOK)(arg)) ?? "null";
        same = now === before && now !== "null" ? same + 1 : 0;
        before = now;
        if (same === frames) found(JSON.parse(now));
        else if (++seen === 1000 * frames) failed(`never at rest, at last ${now}`);
        else requestAnimationFrame(look);
    };
    look();
})"""
PLACE = """part => {
    const plots = [...document.querySelectorAll(".st-key-layers-DRAWING .js-plotly-plot")].filter(
        each => each.querySelector(".main-svg") && getComputedStyle(each).visibility === "visible");
    if (plots.length !== 1) return null;  // one still lies over the other
    const [plot] = plots, target = plot._fullData.find(
        trace => trace.legendgroup === part && trace.x.length === WANTED);
    const { xaxis, yaxis } = plot._fullLayout, box = plot.getBoundingClientRect();
    return [box.x + xaxis._offset + xaxis.l2p(target.x[0]), box.y + yaxis._offset + yaxis.l2p(target.y[0])];
}"""
# where a box of the LSTM's drawing is, or the first square of a patch
BOX, PATCH = (PLACE.replace("WANTED", count).replace("DRAWING", "cell") for count in ("1", "32"))
PORTS = range(10_000, 30_000)  # below those that systems give to whoever asks for any


class Server:
    """`streamlit run dashboard.py` in a process group of its own."""

    def __init__(self, folder, script="dashboard.py"):
        self.folder, self.script, self.port = folder, script, free_port()
        self.start()

    def start(self):
        command = [sys.executable, "-m", "streamlit", "run", str(self.script), "--server.headless", "true"]
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
        return f"http://127.0.0.1:{self.port}/{page}" + (f"?{settings}" if settings else "")

    def kill(self, how=signal.SIGKILL):
        self.process.send_signal(how)
        self.process.wait(PATIENCE / 1000)


def free_port():
    while True:
        port = random.SystemRandom().choice(PORTS)
        with socket.socket() as free, suppress(OSError):
            free.bind(("127.0.0.1", port))
            return port


def settle(page):
    """Wait until a page's pictures are drawn; a server's first visit by a deep link covers it with a dialog."""
    page.wait_for_function(DRAWN)
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
    if page.get_by_text("Page not found").count():
        page.keyboard.press("Escape")
    expect(page.get_by_test_id("stException")).to_have_count(0)


def has_run(page):
    """Wait until the page's script has ended: until then what it drew before may be there beside what it draws."""
    expect(page.locator("[data-test-script-state=notRunning]")).to_have_count(1)


def at_rest(page, look, arg=None):
    """Wait until nothing runs and all is drawn; return what a JavaScript function says once it no longer changes.

    Frames are counted, not seconds: a machine that draws slowly shows few of them. Null is waited over.
    """
    has_run(page)
    settle(page)
    return page.evaluate(AT_REST.replace("LOOK", look), [arg, FRAMES])


def button(page, name):
    """Find a button by its key; one with a tooltip is there twice."""
    return page.locator(f".st-key-{name} button").first


def curve(page):
    """Return the GRU's curve, once it is drawn and nothing trains."""
    return at_rest(page, CURVE, "GRU")


def train(page):
    button(page, "train").click()


def open_display(page):
    """Open the controls of the picture."""
    page.get_by_role("button", name="Display").click()


def is_trained(page):
    expect(page.get_by_text("Trained.", exact=True)).to_be_visible()
    expect(page.get_by_text(re.compile("GRU.*: accuracy .*; memory span"))).to_be_visible()
