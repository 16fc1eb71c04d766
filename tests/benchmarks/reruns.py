"""What a rerun of each page costs the server when nothing has changed, beside a bare Streamlit page.

The bare page has 18 widgets, of the kinds that the dashboard has, and a chart of nine lines. Plain websocket clients
ask both servers in turn, before and after a training. Prints the median in ms, the mean of the server's processor time
in ms, the ratio of each to the bare page's, and the kB that are sent. On a busy machine only the processor time tells;
the bare page waits, besides, until what it sent first is acknowledged.
"""

import argparse
import asyncio
import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import websockets

from tests.benchmarks.sessions import PAGES, Session, Tally, press_train
from tests.helpers.browser import Server

BARE = """
import numpy as np
import plotly.graph_objects as go
import streamlit as st

st.title("Bare")
for k in range(18):
    shared = {"label": f"Widget {k}", "key": f"widget{k}", "bind": "query-params", "help": "One of 18."}
    if k < 6:
        st.sidebar.slider(**shared, min_value=0, max_value=100, value=50)
    elif k < 12:
        st.sidebar.number_input(**shared, min_value=0.0, max_value=100.0, value=50.0)
    else:
        st.sidebar.selectbox(**shared, options=("one", "two", "three"))
x = np.arange(30)
st.plotly_chart(go.Figure([go.Scatter(x=x, y=x + k, name=str(k)) for k in range(9)]), key="chart")
"""
TRAINING = "steps=50"  # settings of the training between the two rounds


async def measure(bare: Server, dashboard: Server, rounds: int) -> dict[str, tuple[float, float, float]]:
    """Return by page, "bare" for the bare one: median seconds of unchanged reruns, seconds of the processor, bytes."""
    servers = {"bare": bare} | dict.fromkeys(PAGES, dashboard)
    sessions = {name: await open_page(server, name.removeprefix("bare")) for name, server in servers.items()}
    busy = dict.fromkeys(servers, 0.0)
    for _ in range(rounds):
        for name, session in sessions.items():
            before = processor_seconds(servers[name])
            await session.rerun()
            busy[name] += (processor_seconds(servers[name]) - before) / rounds
    result = {}
    for name, session in sessions.items():
        await session.socket.close()
        result[name] = float(np.median(session.tally.reruns[-rounds:])), busy[name], float(session.received)
    return result


def processor_seconds(server: Server) -> float:
    """Return the seconds of processor time that a server has used, its workers' left out."""
    user, system = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


async def open_page(server: Server, page: str) -> Session:
    """Open a page until it no longer asks to be run again."""
    address = f"ws://127.0.0.1:{server.port}/_stcore/stream"
    socket = await websockets.connect(address, subprotocols=["streamlit"], max_size=None, ping_timeout=None)
    session = Session(socket, Tally())
    session.page, session.settings = page, dict(pair.split("=") for pair in TRAINING.split("&"))
    for _ in range(3):
        await session.rerun()
    return session


def table(found: dict[str, tuple[float, float, float]]) -> list[dict[str, float | str]]:
    """Return a row for each page: ms, ms of the processor, the ratio of each to the bare page's, kB."""
    bare_seconds, bare_busy, _ = found["bare"]
    return [
        {"page": name or "home", "ms": 1e3 * seconds, "ratio": seconds / bare_seconds,
         "busy_ms": 1e3 * busy, "busy_ratio": busy / bare_busy, "kB": received / 1e3}
        for name, (seconds, busy, received) in found.items()
    ]  # fmt: skip


def main() -> None:
    """Measure, print, and write the figures where they are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args()
    figures = {}
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as other:
        Path(other, "bare.py").write_text(BARE)
        bare, dashboard = Server(Path(other), Path(other, "bare.py")), Server(Path(folder))
        try:
            for when in ("untrained", "trained"):
                figures[when] = table(asyncio.run(measure(bare, dashboard, arguments.rounds)))
                print(f"{when}\n{'page':>8} {'ms':>7} {'ratio':>6} {'busy ms':>8} {'ratio':>6} {'kB':>7}")
                for row in figures[when]:
                    print(
                        f"{row['page']:>8} {row['ms']:7.1f} {row['ratio']:6.2f} {row['busy_ms']:8.1f} "
                        f"{row['busy_ratio']:6.2f} {row['kB']:7.1f}"
                    )
                if when == "untrained":
                    press_train(dashboard, TRAINING)
                    time.sleep(20)
        finally:
            bare.kill()
            dashboard.kill()
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
