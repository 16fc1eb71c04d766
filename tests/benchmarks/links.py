"""Open pages by random links, hostile ones among them: what fails, and how long each keeps its page's script busy.

Prints the number of exceptions, and the links that took longest before their first picture (or their question whether
to measure at all) and after it, in seconds. A session opens each link as a browser would, on one server, one by one.
"""

import argparse
import asyncio
import json
import random
import tempfile
import time
from pathlib import Path
from urllib.parse import urlencode

import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from analysis.experiment import SETTINGS
from tests.benchmarks.sessions import PAGES, PATIENCE
from tests.helpers.browser import Server

HOSTILE = ("nan", "inf", "-1", "1e400", "", "x" * 3000, "<script>", "../../etc/passwd", "None", "9" * 40, "0x10", "𝟛")
WORDS = {  # of the pages' own controls
    "show": ("a real cell", "a vector"),
    "details": ("What trains the weights", "Hidden, cell, input"),
    "gates_tab": ("One sequence", "Around the symbol", "Unit by unit", "Carry by distance"),
    "model_tab": ("Memory", "Gates", "Bounds", "Gradient matrix"),
    "inside_tab": ("One unit's arithmetic", "Every unit", "What it depends on", "What the GRU saves"),
    "axis": ("position", "distance"),
    "threshold": ("0.1 %", "50 %", "2 %"),
    "inside_cell": ("lstm", "GRU"),
    "model_steps": ("2", "200", "2000"),
    "hold": ("true", "false"),
    "held_at": ("0", "0.35", "1"),
    "sentence": ("a b", "猫 坐 在 垫子 上", "a " * 900),
}
SHOWN = 10  # links that are printed of the slowest


def random_link() -> tuple[str, str]:
    """Return a page and a query string: any settings at any value that a widget has, one in eight hostile."""
    query: list[tuple[str, str]] = []
    for name in SETTINGS:
        if name in ("cell", "text_file") or random.random() < 0.6:
            continue
        query.append((name, random.choice(HOSTILE) if random.random() < 0.12 else random_value(name)))
    cells = random.sample(["rnn", "LSTM", "GRU"], random.randint(1, 3))
    query += [("cells", cell) for cell in cells] if random.random() < 0.5 else []
    for name, words in WORDS.items():
        if random.random() < 0.3:
            query.append((name, random.choice([*words, random.choice(HOSTILE)])))
    return random.choice(PAGES), urlencode(query)


def random_value(name: str) -> str:
    """Return a value of a setting: an end of its range, or one between them on a scale of powers."""
    setting = SETTINGS[name]
    if setting.choices:
        return random.choice(setting.choices)
    low, high = float(setting.low or 0), float(setting.page_high or setting.high or 1)
    if random.random() < 0.3:
        number = random.choice((low, high))
    else:
        number = low - 1 + (high - low + 1) ** random.random() if low >= 0 else random.uniform(low, high)
    whole = isinstance(setting.default, int) or name == "length"
    return str(round(number)) if whole else f"{number:.4g}"


async def open_link(server: Server, page: str, query: str) -> tuple[float, float, list[str]]:
    """Return the seconds until the page's first picture or question, those after it, and its exceptions."""
    message = BackMsg()
    message.rerun_script.page_name, message.rerun_script.query_string = page, query
    address = f"ws://127.0.0.1:{server.port}/_stcore/stream"
    failures: list[str] = []
    drawn = 0.0
    async with websockets.connect(address, subprotocols=["streamlit"], max_size=None, ping_timeout=None) as socket:
        began = time.perf_counter()
        await socket.send(message.SerializeToString())
        while True:
            answer = ForwardMsg()
            answer.ParseFromString(await asyncio.wait_for(socket.recv(), PATIENCE))
            element = answer.delta.new_element
            kind = element.WhichOneof("type")
            if kind == "exception":
                failures.append(f"{element.exception.type}: {element.exception.message}")
            elif not drawn and (kind == "plotly_chart" or element.button.id.endswith("measure_anyway_button")):
                drawn = time.perf_counter()
            if answer.WhichOneof("type") == "script_finished":
                if answer.script_finished == ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                    continue  # a link that was mended: the page runs again
                end = time.perf_counter()
                return (drawn or end) - began, end - (drawn or end), failures


def main() -> None:
    """Open the links, print, and write the figures where they are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--links", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args()
    random.seed(arguments.seed)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder))
        try:
            asyncio.run(open_link(server, "", ""))  # what is loaded once
            for _ in range(arguments.links):
                page, query = random_link()
                before, after, failures = asyncio.run(open_link(server, page, query))
                rows.append({"page": page, "query": query, "before": before, "after": after, "failures": failures})
                for failure in failures:
                    print(f"{page}?{query}\n    {failure}", flush=True)
        finally:
            server.kill()
    print(f"{len(rows)} links, {sum(bool(row['failures']) for row in rows)} with an exception")
    for when in ("before", "after"):
        print(f"slowest {when} the first picture, s")
        for row in sorted(rows, key=lambda row: -row[when])[:SHOWN]:
            print(f"{row[when]:8.2f}  {row['page']}?{row['query'][:200]}")
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(rows) + "\n")


if __name__ == "__main__":
    main()
