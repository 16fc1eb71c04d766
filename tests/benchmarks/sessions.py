"""How a server answers a whole class: many sessions that move controls and change pages, beside one training.

Plain websocket clients stand in for browsers. Each opens a session, asks for pages as a browser would, and runs the
fragments that ask for it again. Prints reruns, errors, dropped sessions, the median and 95th percentile of a rerun and
of the health address in seconds, and the server's resident memory in MiB. Drawing is left out: browsers do that.
"""

import argparse
import asyncio
import json
import random
import tempfile
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from tests.helpers.browser import Server

PAGES = ("", "decay", "gates", "bounds", "compare", "model", "why", "cell", "runs")
HIDDEN_SIZES = (8, 16, 32, 64)  # settings from a small set, as a class has them
PAUSE = 10.0  # seconds between two moves of a session
PATIENCE = 30  # seconds after which an answer counts as dropped
MIB = 2**20


@dataclass
class Tally:
    """What all sessions saw."""

    reruns: list[float] = field(default_factory=list)  # seconds from the question to the end of the script
    health: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)  # MiB, once a second
    errors: list[str] = field(default_factory=list)
    dropped: int = 0


class Session:
    """One visitor: a websocket, the page it is on, and the widgets that page has."""

    def __init__(self, socket: websockets.ClientConnection, tally: Tally) -> None:
        self.socket, self.tally = socket, tally
        self.page, self.settings = "", {"hidden_size": 32}
        self.widgets: dict[str, str] = {}  # id by key
        self.repeats: dict[str, float] = {}  # seconds between two runs of a fragment, by its id
        self.states: dict[str, list[float]] = {}
        self.received = 0  # bytes of the last answer

    async def rerun(self, fragment: str = "") -> None:
        """Ask for the page, or one fragment of it, and read until its script has finished."""
        message = BackMsg()
        script = message.rerun_script
        script.page_name, script.query_string = self.page, urlencode(self.settings)
        script.fragment_id, script.is_auto_rerun = fragment, bool(fragment)
        for widget, values in self.states.items():
            state = script.widget_states.widgets.add()
            state.id = widget
            state.double_array_value.data.extend(values)
        began = time.perf_counter()
        await self.socket.send(message.SerializeToString())
        if not fragment:
            self.repeats = {}
        finished, self.received = False, 0
        while not finished:
            try:
                answer, content = ForwardMsg(), await asyncio.wait_for(self.socket.recv(), PATIENCE)
            except TimeoutError:
                what = f"a fragment of {self.page!r}" if fragment else repr(self.page)
                raise TimeoutError(f"no end of {what} within {PATIENCE} s") from None
            answer.ParseFromString(content)
            self.received += len(content)
            finished = self.hear(answer)
        self.tally.reruns.append(time.perf_counter() - began)

    def hear(self, answer: ForwardMsg) -> bool:
        """Remember what a message says of the page; return whether the script has finished."""
        match answer.WhichOneof("type"):
            case "delta":
                element = answer.delta.new_element
                kind = element.WhichOneof("type")
                if kind == "slider":
                    self.widgets[element.slider.id.rpartition("-")[2]] = element.slider.id
                elif kind == "exception":
                    self.tally.errors.append(f"{self.page}: {element.exception.type}: {element.exception.message}")
            case "auto_rerun":
                self.repeats[answer.auto_rerun.fragment_id] = answer.auto_rerun.interval
            case "script_finished" if answer.script_finished == ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                self.repeats = {}  # the whole page is run next
            case "script_finished":
                return True
        return False

    async def move(self) -> None:
        """Move the hidden size on this page, or go to another one."""
        if random.random() < 0.5 and "hidden_size" in self.widgets:
            self.settings["hidden_size"] = random.choice(HIDDEN_SIZES)
            self.states = {self.widgets["hidden_size"]: [float(self.settings["hidden_size"])]}
        else:
            self.page, self.widgets, self.states = random.choice(PAGES), {}, {}
        await self.rerun()

    async def visit(self, end: float, pause: float) -> None:
        """Move at times until the end; between two moves, rerun the fragments that ask for it."""
        await self.rerun()
        while (now := time.monotonic()) < end:
            next_move = now + random.uniform(0.5, 1.5) * pause
            while (now := time.monotonic()) < min(next_move, end):
                if self.repeats:
                    fragment, interval = min(self.repeats.items(), key=lambda item: item[1])
                    await asyncio.sleep(min(interval, next_move - now))
                    await self.rerun(fragment)
                else:
                    await asyncio.sleep(next_move - now)
            await self.move()


async def visit(server: Server, tally: Tally, end: float, pause: float) -> None:
    """Open a session and keep it until the end; whatever ends it earlier counts as dropped."""
    await asyncio.sleep(random.uniform(0, pause))  # a class does not open the page in the same moment
    address = f"ws://127.0.0.1:{server.port}/_stcore/stream"
    try:
        async with websockets.connect(address, subprotocols=["streamlit"], max_size=None, ping_timeout=None) as socket:
            await Session(socket, tally).visit(end, pause)
    except (OSError, TimeoutError, websockets.WebSocketException) as error:
        tally.dropped += 1
        tally.errors.append(f"dropped: {type(error).__name__}: {error}")


async def watch(server: Server, tally: Tally, end: float) -> None:
    """Once a second, time the health address and read the server's memory."""

    def health() -> float:
        began = time.perf_counter()
        with urllib.request.urlopen(f"{server.url()}_stcore/health", timeout=PATIENCE) as answer:
            answer.read()
        return time.perf_counter() - began

    while time.monotonic() < end:
        tally.health.append(await asyncio.to_thread(health))
        tally.memory.append(resident(server.process.pid))
        await asyncio.sleep(1)


def resident(process: int) -> float:
    """Return the resident memory of a process in MiB, its workers' left out."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return float("nan")


async def measure(server: Server, sessions: int, seconds: float, pause: float) -> Tally:
    """Let so many sessions visit the server for so long."""
    tally, end = Tally(), time.monotonic() + seconds
    await asyncio.gather(watch(server, tally, end), *(visit(server, tally, end, pause) for _ in range(sessions)))
    return tally


def summarize(tally: Tally) -> dict[str, float | int]:
    """Return the figures that are printed: seconds, MiB and counts."""
    return {
        "reruns": len(tally.reruns),
        "errors": len(tally.errors),
        "dropped": tally.dropped,
        "rerun_median": float(np.median(tally.reruns)),
        "rerun_95": float(np.quantile(tally.reruns, 0.95)),
        "rerun_slowest": max(tally.reruns),
        "health_median": float(np.median(tally.health)),
        "health_95": float(np.quantile(tally.health, 0.95)),
        "health_slowest": max(tally.health),
        "memory_at_first": tally.memory[0],
        **{f"memory_at_{k}_of_5": tally.memory[k * len(tally.memory) // 5] for k in range(1, 5)},
        "memory_largest": max(tally.memory),
    }


def main() -> None:
    """Measure, print, and write the figures where they are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--pause", type=float, default=PAUSE, help="seconds between two moves of a session")
    parser.add_argument("--idle", action="store_true", help="without the training beside it")
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder))
        try:
            if not arguments.idle:
                press_train(server, "steps=20000")
            tally = asyncio.run(measure(server, arguments.sessions, arguments.seconds, arguments.pause))
        finally:
            server.kill()
    figures = summarize(tally)
    for name, value in figures.items():
        print(f"{name.replace('_', ' '):>16}  {value:.3f}" if isinstance(value, float) else f"{name:>16}  {value}")
    for error in dict.fromkeys(tally.errors):
        print(error)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(figures) + "\n")


def press_train(server: Server, settings: str) -> None:
    """Open the page Gradient decay with these settings in the URL, press Train, and wait until it has begun."""

    async def press() -> None:
        address = f"ws://127.0.0.1:{server.port}/_stcore/stream"
        async with websockets.connect(address, subprotocols=["streamlit"], max_size=None) as socket:
            message = BackMsg()
            message.rerun_script.page_name, message.rerun_script.query_string = "decay", settings
            await socket.send(message.SerializeToString())
            button = ""
            while True:
                answer = ForwardMsg()
                answer.ParseFromString(await asyncio.wait_for(socket.recv(), PATIENCE))
                element = answer.delta.new_element
                if element.WhichOneof("type") == "button" and element.button.id.endswith("-train"):
                    button = element.button.id
                if answer.WhichOneof("type") == "script_finished":
                    if not button:
                        raise RuntimeError("the page Gradient decay has no Train button")
                    state = message.rerun_script.widget_states.widgets.add()
                    state.id, state.trigger_value = button, True
                    await socket.send(message.SerializeToString())
                    break
            await asyncio.sleep(5)  # the workers start

    asyncio.run(press())


if __name__ == "__main__":
    main()
