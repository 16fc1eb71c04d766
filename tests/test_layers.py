"""One direction: analysis computes, analysis/figures draws, pages show. Nothing points back."""

import ast
from functools import lru_cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted([*ROOT.glob("analysis/**/*.py"), *ROOT.glob("pages/**/*.py"), *ROOT.glob("*.py")])
NAMES = [str(path.relative_to(ROOT)) for path in FILES]
FORBIDDEN = [  # files that start so, other than these, what they may not import
    ("analysis/", ("analysis/figures/",), ("streamlit", "plotly", "kaleido")),
    ("analysis/", ("analysis/figures/", "analysis/__main__.py"), ("analysis.figures",)),
    ("analysis/", (), ("streamlit", "pages", "dashboard")),
    ("analysis/figures/", (), ("analysis.training", "analysis.measuring", "analysis.__main__", "torch")),
    ("", ("tests/",), ("tests",)),
]
# Export draws nothing itself: it writes figures to files.
WRITES_FIGURES = {"analysis/export.py": {"kaleido"}}


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


def reaches(imported, target):
    return imported == target or imported.startswith(target + ".")


@pytest.mark.parametrize("name", NAMES)
def test_nothing_points_back(name):
    for start, others, targets in FORBIDDEN:
        if name.startswith(start) and not any(name.startswith(other) for other in others):
            allowed = WRITES_FIGURES.get(name, set())
            back = {i for i in imports(name) for t in targets if reaches(i, t) and t not in allowed}
            assert not back, f"{name} imports {', '.join(sorted(back))}"


def test_no_cycles_inside_analysis():
    """Every file's own imports, at the top or in a function; the package's __init__ only collects names."""
    graph = {}
    for module, name in MODULES.items():
        if name.startswith("analysis/") and module != "analysis":
            graph[module] = {other for other in MODULES if other in imports(name)} - {"analysis", module}
    order = list(TopologicalSorter(graph).static_order())  # raises CycleError, naming the cycle
    assert order.index("analysis.config") < order.index("analysis.training")
    assert order.index("analysis.cells") < order.index("analysis.bptt") < order.index("analysis.measuring")


def test_the_inside_of_analysis_doesnt_import_its_front():
    """`from analysis import train` inside the package would work only in one order of imports."""
    for name in NAMES:
        if name.startswith("analysis/") and name not in ("analysis/__init__.py", "analysis/__main__.py"):
            front = {i for i in imports(name) if i.startswith("analysis.") and i not in MODULES}
            assert not {i for i in front if i.rpartition(".")[0] == "analysis"}, name


def test_the_walk_sees_what_it_looks_for():
    assert reaches("plotly.graph_objects", "plotly")
    assert not reaches("plotlyx", "plotly")
    assert "analysis.results" in imports("analysis/decay.py")
    assert "analysis.results.Tape" in imports("analysis/decay.py")
    assert any(reaches(i, "plotly") for name in NAMES if name.startswith("analysis/figures/") for i in imports(name))
