"""Grid files: what they hold, and that each bad entry is named with its line."""

import random

import pytest

from analysis import Plan
from analysis.jobs.grid import GridError, parse_grid, read_grid, to_toml

GRID = """# which cell?
[settings]
cell = ["rnn", "gru"]
length = [10, 20]   # time steps
steps = 80
learning_rate = 1e-2

[comparison]
equal = "parameters"
learning_rates = [0.003, 0.01]
"""


def test_a_grid_is_a_plan():
    plan = parse_grid(GRID)
    assert plan == Plan(
        {"cell": ["rnn", "gru"], "length": [10, 20], "steps": 80, "learning_rate": 0.01},
        equal="parameters", learning_rates=[0.003, 0.01],
    )  # fmt: skip


@pytest.mark.parametrize(
    "plan",
    [
        Plan({}),
        parse_grid(GRID),
        Plan({"cell": ["lstm", "gru"], "forget_bias": [None, -1, 2.5], "length": None}),
        Plan({"task": "text", "text_file": 'a "b"\\c\n\x7f字'}, equal="time", ms_per_step=[1.25e-7]),
    ],
)
def test_a_plan_written_is_the_plan_read(plan, tmp_path):
    path = tmp_path / "grid.toml"
    path.write_text(to_toml(plan), encoding="utf-8")
    assert read_grid(path) == plan


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("", ["line 1: expected a table [settings]"]),
        ("settings = 3", ["line 1: settings=3: expected a table [settings]"]),
        ("steps = 3\n[settings]", ["line 1: 'steps': expected the tables [settings] and [comparison] alone"]),
        ("[settings]\n[compare]\nequal = 1", ["line 2: 'compare': expected the tables [settings] and [comparison]"]),
        ("[settings]\nsteps = [80", ["line 2: "]),
        ("[settings]\nsteps = 80\nsteps = 90", ["line 3: Cannot overwrite a value"]),
        (
            '[settings]\n\ncell = ["rnn",\n  "gruu"]\nsteps = 0\nhiden = 1\n[comparison]\nequal = "all"\nrates = []',
            ["line 3: cell='gruu': expected one of rnn", "line 5: steps=0: expected a whole number from 1",
             "line 6: 'hiden': expected one of cell", "line 8: equal='all': expected one of hidden_size",
             "line 9: 'rates': expected one of equal"],
        ),
        ("settings.seeds = 99", ["line 1: seeds=99: expected a whole number from 1 to 64"]),
        ("[settings]\n'steps' = true", ["line 2: steps=True: expected a whole number"]),
        ("[settings]\nlength = 2026-01-01", ["line 2: length=datetime.date(2026, 1, 1): expected a whole number"]),
        ("[settings]\nsteps = {a = 1}", ["line 2: steps={'a': 1}: expected a whole number"]),
        ("[settings]\ngain = nan", ["line 2: gain=nan: expected a number from 0.1 to 3"]),
        ("[settings]\ninit = 'chrono'\nforget_bias = 1", ["line 3: forget_bias=1.0: init=chrono sets this bias"]),
    ],
)  # fmt: skip
def test_each_bad_entry_is_named_with_its_line(text, problems):
    with pytest.raises(GridError) as error:
        parse_grid(text)
    assert len(error.value.problems) == len(problems)
    for found, expected in zip(error.value.problems, problems, strict=True):
        assert found.startswith(expected)
    assert str(error.value) == "; ".join(error.value.problems)


def test_a_file_that_cannot_be_read_is_one_line(tmp_path):
    (tmp_path / "latin.toml").write_bytes(b"\xe4")
    (tmp_path / "large.toml").write_bytes(b"#" * 2**21)
    for name in ("missing.toml", "latin.toml", "large.toml", ".", "\0"):
        with pytest.raises(GridError) as error:
            read_grid(f"{tmp_path}/{name}")
        assert str(tmp_path) in str(error.value) and "\n" not in str(error.value)
    with pytest.raises(GridError, match="lists within lists"):
        parse_grid("[settings]\nsteps = " + "[" * 100_000)


def test_damaged_grids_are_plans_or_refused():
    generator = random.Random(0)
    for _ in range(300):
        letters = list(GRID)
        for _ in range(generator.randint(1, 4)):
            letters[generator.randrange(len(letters))] = generator.choice('[]"=,.\n0a-\t#{}')
        try:
            parse_grid("".join(letters))
        except GridError as error:
            assert all(problem.startswith("line ") for problem in error.problems)
