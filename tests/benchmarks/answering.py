"""How soon a page answers in a real Chromium: idle, and while every core trains.

Prints seconds from the press of a key to the picture that follows it, as the browser draws it: medians, the slowest,
and the ratio of busy to idle. Then, for trainings by default of all three cells, the seconds from the click on Train to
the first live curve. A slider waits 0.2 s for further moves before it tells the server.
"""

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from playwright import sync_api as playwright

from tests.helpers.browser import ARGUMENTS, CHROMIUM, IN_SIGHT, PICTURE, Server, button, settle

SIZE = {"width": 1280, "height": 800}
THRESHOLDS = ("1 %", "3 %", "10 %", "30 %", "50 %")
LONG = 800  # updates of training for each move: so it outlasts them
# Waits in the browser: from the first event on for a condition to become true, frame by frame.
STOPWATCH = """condition => {
    let began = null;
    window.took = null;
    for (const kind of ["keydown", "pointerdown"])
        document.addEventListener(kind, event => { began ??= event.timeStamp; }, { capture: true, once: true });
    const holds = new Function("return " + condition);
    const look = () => {
        if (began !== null && holds()) window.took = performance.now() - began;
        else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
}"""
CURVES = "%s?._fullData?.filter(trace => trace.x.length > 2).map(trace => trace.y[1]).join()"
SECOND = f"{IN_SIGHT}[1]"  # on Home the first picture is of a sentence, and follows no setting
NAMED = f"[...({PICTURE}?.querySelectorAll('.annotation-text') ?? [])].some(each => each.textContent === %s)"
HELD = f"{IN_SIGHT}.some(each => each._fullData.some(trace => trace.name.endsWith(%s)))"
LIVE = "/(RNN|LSTM|GRU) after [1-9]/.test(document.querySelector('[data-testid=stMain]').innerText)"


def seconds(page: playwright.Page, condition: str, act: Callable[[], None]) -> float:
    """Return how long after a press something holds in the page."""
    page.evaluate(STOPWATCH, condition)
    act()
    page.wait_for_function("window.took !== null")
    return page.evaluate("window.took") / 1000


def answers(page: playwright.Page, moves: int) -> dict[str, list[float]]:
    """Move the threshold, which draws another line and other horizons, and the hidden size: other models."""
    found = {"threshold": [], "hidden size": hidden_sizes(page, moves)}
    button(page, "display").click()
    way = [*range(len(THRESHOLDS)), *range(len(THRESHOLDS) - 2, 0, -1)]  # up and down again
    for k in range(moves):
        here, there = way[k % len(way)], way[(k + 1) % len(way)]
        key, named = "ArrowRight" if there > here else "ArrowLeft", NAMED % json.dumps(THRESHOLDS[there])
        found["threshold"].append(move(page, "Threshold", key, named))
    return found


def hidden_sizes(page: playwright.Page, moves: int, picture: str = PICTURE) -> list[float]:
    """Move the hidden size; return how long each new picture takes."""
    found, curves = [], CURVES % picture
    for _ in range(moves):
        changed = f"(({curves}) ?? before) !== before".replace("before", json.dumps(page.evaluate(curves)))
        found.append(move(page, "Hidden size", "ArrowRight", changed))
    return found


def held_gates(page: playwright.Page, moves: int) -> list[float]:
    """Move a gate that is held by hand; return how long each new picture takes."""
    found = []
    for k in range(moves):
        hundredths = 90 - 5 * (k + 1) if k < 18 else 5 * (k - 17)
        named = HELD % json.dumps(f"held at {hundredths / 100:g}")
        found.append(move(page, "Held at", "ArrowLeft" if k < 18 else "ArrowRight", named))
    return found


def move(page: playwright.Page, slider: str, key: str, condition: str) -> float:
    """Press a key on a slider; return how long it takes until something holds."""
    page.get_by_role("slider", name=slider).focus()
    took = seconds(page, condition, lambda: page.keyboard.press(key))
    time.sleep(random.uniform(0.3, 1.5))  # at another moment of what moves by itself
    return took


@contextmanager
def visiting() -> Iterator[Callable[[str, str], playwright.Page]]:
    """Start a server with a history of its own, and a browser; give a way to open a page."""
    with tempfile.TemporaryDirectory() as folder, playwright.sync_playwright() as started:
        server = Server(Path(folder))
        browser = started.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)

        def opened(at: str, settings: str) -> playwright.Page:
            page = browser.new_page(viewport=SIZE)
            page.goto(server.url(at, settings))
            settle(page)
            time.sleep(2)
            return page

        try:
            yield opened
        finally:
            browser.close()
            server.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moves", type=int, default=20)
    parser.add_argument("--clicks", type=int, default=3)
    options = parser.parse_args()
    with visiting() as opened:
        page = opened("decay", "seed=1")
        idle = answers(page, options.moves)
        page.close()
        page = opened("", "seed=1")
        idle["hidden, Home"] = hidden_sizes(page, options.moves, SECOND)
        page.close()
        page = opened("cell", "hold=true")
        idle["held gate"] = held_gates(page, options.moves)
        page.close()
        page = opened("decay", long := f"seed=2&steps={LONG * options.moves}")
        button(page, "train").click()
        page.wait_for_function(LIVE)
        busy = answers(page, options.moves)
        page.close()
        page = opened("", "seed=1&gain=0.9")  # models that are not measured yet
        busy["hidden, Home"] = hidden_sizes(page, options.moves, SECOND)
        page.close()
        page = opened("cell", "hold=true&seed=1&gain=0.9")
        busy["held gate"] = held_gates(page, options.moves)
        page.close()
        page = opened("decay", long)
        button(page, "cancel").click()  # which fails where nothing trains any more
        page.get_by_role("button", name="Resume").wait_for()
        page.close()
        print(f"{'':12}{'idle':>8}{'slowest':>9}{'busy':>8}{'slowest':>9}{'ratio':>7}")
        for name, one in idle.items():
            medians, slowest = zip(*((median(each), max(each)) for each in (one, busy[name])), strict=True)
            print(
                f"{name:12}{medians[0]:8.2f}{slowest[0]:9.2f}{medians[1]:8.2f}{slowest[1]:9.2f}"
                f"{medians[1] / medians[0]:7.2f}", flush=True,
            )  # fmt: skip
        clicks = []
        for seed in range(3, 3 + options.clicks):
            page = opened("decay", f"seed={seed}")
            clicks.append(seconds(page, LIVE, button(page, "train").click))
            page.get_by_text("Trained.").wait_for()
            page.close()
        print(f"first curve {median(clicks):8.2f}{max(clicks):9.2f}")


if __name__ == "__main__":
    main()
