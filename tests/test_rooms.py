"""The rooms of `analysis` stand in one order, and each imports earlier ones only; pages show what they compute."""

import ast
import subprocess
import sys
from functools import lru_cache
from graphlib import TopologicalSorter
from os import environ
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted([*ROOT.glob("analysis/**/*.py"), *ROOT.glob("pages/**/*.py"), *ROOT.glob("*.py")])
NAMES = [str(path.relative_to(ROOT)) for path in FILES]
# Floors, the lowest first: a room imports rooms of lower floors, and its own files.
FLOORS = [
    {"language", "files"}, {"experiment"}, {"results", "sources"},
    {"span", "reading", "reasons", "answers", "plan"}, {"comparison"}, {"history", "report"}, {"figures"}, {"tasks"},
    {"engine"}, {"measures", "lesson"}, {"training"}, {"models", "jobs"}, {"cli"},
]  # fmt: skip
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
TOP = (  # no room's files
    "experiment", "language", "results", "sources", "reading", "span", "reasons", "answers", "plan", "comparison",
)  # fmt: skip
FREE_OF_TORCH = (*TOP, "files", "history", "report", "figures")
LONGEST = {"function": 50, "file": 350, "page": 100}  # lines
OUTSIDE_ROOMS = {f"analysis/{name}.py" for name in ("__init__", "__main__", *TOP)}
DRAWING = ("plotly", "kaleido")
# Export draws nothing itself: it writes figures to files.
WRITES_FIGURES = {"analysis/report/export.py": {"kaleido"}}


def module_of(name):
    """analysis/figures/decay.py -> analysis.figures.decay; a package's __init__ is the package."""
    return name.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


MODULES = {module_of(name): name for name in NAMES}


@lru_cache
def imports(name):
    """Dotted names of all that a file imports, at the top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / name).read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module_of(name).split(".")[: None if name.endswith("__init__.py") else -1]
                base = ".".join([*parts[: len(parts) - node.level + 1], *([node.module] if node.module else [])])
            found |= {f"{base}.{alias.name}" for alias in node.names} | {base}
    return frozenset(found)


@lru_cache
def modules_imported(name):
    """The files of this project among a file's imports."""
    return frozenset(MODULES[imported] for imported in imports(name) if imported in MODULES)


@lru_cache
def reached(name):
    """Everything that importing a file brings in, through other files of this project too."""
    files, waiting = set(), [name]
    while waiting:
        if (file := waiting.pop()) not in files:
            files.add(file)
            waiting += modules_imported(file)
    return frozenset().union(*map(imports, files))


def reaches(imported, target):
    return imported == target or imported.startswith(target + ".")


def room_of(module):
    """analysis.engine.cells -> engine; None for the package itself and what isn't in it."""
    first, _, rest = module.partition(".")
    return rest.partition(".")[0] or None if first == "analysis" else None


def in_rooms():
    return [
        name
        for name in NAMES
        if name.startswith("analysis/") and name not in ("analysis/__init__.py", "analysis/__main__.py")
    ]


def test_every_module_is_in_a_room():
    assert {name for name in NAMES if name.startswith("analysis/") and name.count("/") == 1} == OUTSIDE_ROOMS
    assert {room_of(module_of(name)) for name in in_rooms()} == FLOOR.keys()


@pytest.mark.parametrize("name", in_rooms())
def test_a_room_imports_lower_floors_only(name):
    room = room_of(module_of(name))
    for imported in imports(name):
        other = room_of(imported)
        if other and (imported in MODULES or imported.rpartition(".")[0] in MODULES):
            assert other == room or FLOOR[other] < FLOOR[room], f"{name} imports {imported}"


@pytest.mark.parametrize("name", in_rooms())
def test_no_room_imports_the_pages_or_the_front(name):
    """`from analysis import train` inside the package would work only in one order of imports."""
    back = {i for i in reached(name) if reaches(i, "streamlit") or reaches(i, "pages") or i == "dashboard"}
    assert not back, f"{name} reaches {', '.join(sorted(back))}"
    front = {
        i for i in imports(name) if i == "analysis.__main__" or (i.startswith("analysis.") and room_of(i) not in FLOOR)
    }
    assert not front, f"{name} imports {', '.join(sorted(front))}"


@pytest.mark.parametrize("name", in_rooms())
def test_figures_alone_draw(name):
    if not name.startswith("analysis/figures/"):
        allowed = WRITES_FIGURES.get(name, set())
        drawing = {i for i in imports(name) for library in DRAWING if reaches(i, library) and library not in allowed}
        assert not drawing, f"{name} imports {', '.join(sorted(drawing))}"


@pytest.mark.parametrize("room", FREE_OF_TORCH)
def test_rooms_for_reading_need_no_torch(room):
    """Read from the imports, and by importing all of the room in a fresh process."""
    names = [name for name in in_rooms() if room_of(module_of(name)) == room]
    for name in names:
        assert not any(reaches(imported, "torch") for imported in reached(name)), name
    script = f"import sys; import {', '.join(map(module_of, names))}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT).returncode == 0


def test_the_help_and_the_list_of_runs_need_no_torch(tmp_path):
    script = (
        "import sys; from analysis.cli.main import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "sys.exit('torch' in sys.modules)"
    )
    for words in (["--help"], ["train", "--help"], ["runs"]):
        own_history = environ | {"GOLDFISH_STORE": str(tmp_path / "runs.sqlite")}
        command = [sys.executable, "-c", script, *words]
        done = subprocess.run(command, cwd=ROOT, env=own_history, capture_output=True)
        assert done.returncode == 0, words


def test_tests_are_imported_by_tests_alone():
    assert not any(reaches(imported, "tests") for name in NAMES for imported in imports(name))


def test_no_file_imports_itself_through_others():
    graph = {name: modules_imported(name) - {name, "analysis/__init__.py"} for name in NAMES}
    list(TopologicalSorter(graph).static_order())  # raises CycleError, naming the cycle


def test_packages_hand_nothing_on():
    """Names are imported from the file that defines them; only `analysis` itself collects some."""
    for name in NAMES:
        if name.endswith("__init__.py") and name != "analysis/__init__.py":
            assert not imports(name), name


def too_long(path):
    """Yield what in a file is longer than it may be."""
    name, text = path.relative_to(ROOT), path.read_text()
    page = name.parts[0] == "pages" and name.parts[1] != "ui"  # a script that Streamlit runs
    if (lines := len(text.splitlines())) > LONGEST["page" if page else "file"]:
        yield f"{name}: {lines} lines"
    for node in ast.walk(ast.parse(text)):
        lines = getattr(node, "end_lineno", 0) - getattr(node, "lineno", 0) + 1
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and lines > LONGEST["function"]:
            yield f"{name}: {node.name} has {lines} lines"


def test_pages_files_and_functions_stay_short():
    assert not [line for path in sorted({*FILES, *ROOT.glob("tests/**/*.py")}) for line in too_long(path)]


def test_the_walk_sees_what_it_looks_for():
    assert reaches("plotly.graph_objects", "plotly")
    assert not reaches("plotlyx", "plotly")
    assert "analysis.results" in imports("analysis/measures/decay.py")
    assert "analysis.results.Tape" in imports("analysis/measures/decay.py")
    assert any(reaches(i, "plotly") for name in NAMES if name.startswith("analysis/figures/") for i in imports(name))
    assert any(reaches(i, "torch") for i in reached("analysis/cli/main.py"))
