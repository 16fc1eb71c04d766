"""What `pip install` makes of the project: a command, its dependencies, a typed package."""

import tomllib
from importlib import import_module
from pathlib import Path

import pytest

import analysis
from analysis.cli.main import run

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_the_command_goldfish_is_the_module_run_as_a_program():
    module, _, function = PROJECT["project"]["scripts"]["goldfish"].partition(":")
    assert getattr(import_module(module), function) is run
    assert import_module("analysis.__main__").run is run


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_dependencies_are_read_from_the_requirements_files(name):
    """The build backend takes plain requirements alone, no options such as `-r`."""
    dynamic = PROJECT["tool"]["setuptools"]["dynamic"]
    files = [*dynamic["dependencies"]["file"], *dynamic["optional-dependencies"]["dev"]["file"]]
    assert name in files
    assert not any(line.startswith("-") for line in (ROOT / name).read_text().splitlines())


def test_texts_and_shipped_runs_are_part_of_the_package():
    folder, patterns = Path(analysis.__file__).parent, PROJECT["tool"]["setuptools"]["package-data"]["analysis"]
    packed = {path for pattern in patterns for path in folder.glob(pattern)}
    for kind in ("texts", "shipped"):
        files = set((folder / kind).iterdir())
        assert files and files <= packed


def test_the_package_is_marked_as_typed():
    assert (Path(analysis.__file__).parent / "py.typed").is_file()
