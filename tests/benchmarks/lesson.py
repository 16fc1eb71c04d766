"""How soon the lesson answers in a real Chromium: first pictures of the stops, a click on a box, a gate held by hand.

Prints seconds: from the click on *Next* to the stop's first picture, as the browser draws it, once torch is loaded;
from the press of a key on the slider of a held gate to its picture.
"""

import argparse
import time
from statistics import median

from playwright import sync_api as playwright

from pages.ui.stops import STOPS
from tests.benchmarks.answering import held_gates, seconds, visiting
from tests.helpers.browser import IN_SIGHT, settle

TITLED = "document.querySelector('h1')?.innerText === {question!r} && {pictures}.length > 0"


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
        page = opened("lstm", "hold=true")
        held = held_gates(page, options.moves)
        print(f"{'held gate':16}{held[0]:8.2f}{median(held):8.2f}{max(held):9.2f}")


if __name__ == "__main__":
    main()
