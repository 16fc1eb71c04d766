"""Grid files: a comparison's plan as TOML, validated whole, every bad entry named with its line.

    [settings]                    # any setting of an experiment; a list of values is an axis of the grid
    cell = ["rnn", "gru"]
    length = [10, 20]
    steps = 80

    [comparison]                  # optional: what the cells get the same of, learning rates to choose from
    equal = "hidden_size"
    learning_rates = [0.003, 0.01]

"None" stands for a setting that is unset, as on the command line.
"""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from analysis.experiment import SETTINGS, setting_type
from analysis.plan import EQUAL, Plan, plan_problems

TABLES = ("settings", "comparison")
HEADER = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]")
ENTRY = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*(?:\.\s*([A-Za-z0-9_-]+)\s*)?=""")
LARGEST = 2**20  # bytes of a grid file


class GridError(ValueError):
    """A grid file can't be used. `problems` are its bad entries, each with its line."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def read_grid(path: str | Path) -> Plan:
    """Return the plan in a grid file.

    Raises:
        GridError: for a file that can't be read, and for bad entries, all of them at once.
    """
    try:
        content = Path(path).read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise GridError([f"{path}: {getattr(error, 'strerror', None) or error}"]) from None
    try:
        if len(content) > LARGEST:
            raise GridError([f"{len(content):,} bytes: expected at most {LARGEST:,}"])
        return parse_grid(content.decode())
    except UnicodeDecodeError:
        raise GridError([f"{path}: expected UTF-8"]) from None
    except GridError as error:
        raise GridError([f"{path}: {problem}" for problem in error.problems]) from None


def parse_grid(text: str) -> Plan:
    r"""Return the plan that a grid file's text describes.

    Raises:
        GridError: for bad entries, all of them at once, in the order of their lines.

    >>> parse_grid('[settings]\ncell = "gru"\nlength = [10, 20]').settings
    {'cell': 'gru', 'length': (10, 20)}
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise GridError([_with_line_first(str(error), text)]) from None
    except RecursionError:
        raise GridError(["line 1: lists within lists within lists: expected plain lists"]) from None
    lines = _lines_of_entries(text)
    problems = [(_line(lines, table, name), problem) for table, name, problem in _problems(content)]
    if problems:
        raise GridError([f"line {line}: {problem}" for line, problem in sorted(problems, key=lambda each: each[0])])
    return Plan(_with_none(content["settings"]), **content.get("comparison", {}))


def _with_line_first(message: str, text: str) -> str:
    """Return tomllib's message on a text with the line in front: "line 3: Invalid value (column 8)"."""
    found = re.fullmatch(r"(.*) \(at line (\d+), column (\d+)\)", message, re.DOTALL)
    return f"line {found[2]}: {found[1]} (column {found[3]})" if found else f"line {text.count(chr(10)) + 1}: {message}"


def _problems(content: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield what is wrong in a grid: the table, the entry's name, the problem in words."""
    for name, value in content.items():
        if name not in TABLES:
            yield "", name, f"{name!r}: expected the tables [settings] and [comparison] alone"
        elif not isinstance(value, dict):
            yield "", name, f"{name}={value!r}: expected a table [{name}]"
    settings, comparison = (content.get(table, {}) for table in TABLES)
    if "settings" not in content:
        yield "settings", "", "expected a table [settings]"
    elif isinstance(settings, dict) and isinstance(comparison, dict):
        yield from plan_problems(_with_none(settings), comparison)


def _with_none(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with None for "None", where a setting may be unset."""

    def read(name: str, value: object) -> object:
        if isinstance(value, list):
            return [read(name, each) for each in value]
        return None if value == "None" and name in SETTINGS and setting_type(name)[1] else value

    return {name: read(name, value) for name, value in settings.items()}


def _lines_of_entries(text: str) -> dict[tuple[str, str], int]:
    """Return the line on which each entry of each table begins; a table itself has the name ""."""
    lines: dict[tuple[str, str], int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := HEADER.match(line):
            table = header[1].strip("\"'")
            lines.setdefault((table, ""), number)
        elif entry := ENTRY.match(line):
            name, part = entry[1] or entry[2] or entry[3], entry[4]
            lines.setdefault((table, name), number)
            if part:
                lines.setdefault((name, part), number)
    return lines


def _line(lines: Mapping[tuple[str, str], int], table: str, name: str) -> int:
    """Return the line of an entry; where that isn't found, of its table, or the first."""
    for place in ((table, name), (name, ""), (table, ""), ("", table)):
        if place in lines:
            return lines[place]
    return 1


def to_toml(plan: Plan) -> str:
    """Return a plan as a grid file, from which `read_grid` makes the same plan.

    >>> print(to_toml(Plan({"cell": ["lstm", "gru"], "forget_bias": [None, 1]})), end="")
    [settings]
    cell = ["lstm", "gru"]
    forget_bias = ["None", 1.0]
    """
    comparison: dict[str, Any] = {} if plan.equal == EQUAL[0] else {"equal": plan.equal}
    comparison |= {name: value for name in ("learning_rates", "ms_per_step") if (value := getattr(plan, name))}
    tables = {"settings": plan.settings, **({"comparison": comparison} if comparison else {})}
    return "\n".join(
        f"[{table}]\n" + "".join(f"{name} = {_as_toml(value)}\n" for name, value in entries.items())
        for table, entries in tables.items()
    )


def _as_toml(value: object) -> str:
    """Return one value, or a list of them, as TOML, whose strings and numbers are those of JSON."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(_as_toml, value))}]"
    return json.dumps("None" if value is None else value, ensure_ascii=False).replace("\x7f", "\\u007f")
