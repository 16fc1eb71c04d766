"""How soon the lesson answers in a real Chromium: first pictures of the stops, a click on a box, a gate held by hand.

Prints seconds: from the click on *Next* to the stop's first picture, as the browser draws it, once torch is loaded;
from the press of the mouse on a box of the LSTM to what explains it and its picture, or of a key on the slider of a
held gate to its picture.
"""

import argparse
import time
from functools import partial
from statistics import median

from playwright import sync_api as playwright

from pages.ui.stops import STOPS
from tests.benchmarks.answering import held_gates, seconds, visiting
from tests.helpers.browser import BOX, IN_SIGHT, at_rest, settle

TITLED = "document.querySelector('h1')?.innerText === {question!r} && {pictures}.length > 0"
EXPLAINED = "document.querySelector('.st-key-layers-part-{gate} .main-svg')"


def first_pictures(page: playwright.Page) -> dict[str, float]:
    """Go from Home through all stops; return how long the first picture of each takes."""
    found = {}
    for name, stop in STOPS.items():
        link = page.get_by_role("link", name="1 · Words" if name == "words" else f"Next: {stop.short}")
        shown = TITLED.format(question=stop.question, pictures=IN_SIGHT)
        found[name] = seconds(page, shown, link.click)
        settle(page)
        time.sleep(0.5)
    return found


def clicked_boxes(page: playwright.Page, clicks: int) -> list[float]:
    """Click the boxes of an LSTM's gates in turn; return how long each explanation takes, with its picture."""
    found = []
    for k in range(clicks):
        gate = ("input", "output", "forget")[k % 3]
        place = at_rest(page, BOX, gate)
        found.append(seconds(page, EXPLAINED.format(gate=gate), partial(page.mouse.click, *place)))
        time.sleep(0.5)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--walks", type=int, default=5)
    parser.add_argument("--moves", type=int, default=20)
    options = parser.parse_args()
    with visiting() as opened:
        walks = []
        for _ in range(options.walks):
            page = opened("", "")
            walks.append(first_pictures(page))
            page.close()
        print(f"{'':16}{'first':>8}{'median':>8}{'slowest':>9}")
        for name in STOPS:
            times = [walk[name] for walk in walks]
            print(f"{name:16}{times[0]:8.2f}{median(times):8.2f}{max(times):9.2f}", flush=True)
        for name, times in (
            ("clicked box", clicked_boxes(opened("lstm", ""), options.moves)),
            ("held gate", held_gates(opened("lstm", "hold=true"), options.moves)),
        ):
            print(f"{name:16}{times[0]:8.2f}{median(times):8.2f}{max(times):9.2f}")


if __name__ == "__main__":
    main()
