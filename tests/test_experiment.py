import dataclasses
import doctest
import json
import os
import pickle
import time
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from analysis import experiment, sources
from analysis.experiment import CELLS, SETTINGS, TASKS, Experiment, for_cell
from analysis.sources import TextFileError, read_text

WHOLE = "expected a whole number from"
BAD = [
    ("cell", "LSTM", "expected one of rnn, lstm, gru"),
    ("cell", None, "cell=None: expected one of"),
    ("task", ["recall"], "expected one of recall, adding"),
    ("length", 1, "length=1: expected a whole number from 2 to 100000, or None"),
    ("length", 100_001, WHOLE),
    ("length", 30.0, WHOLE),
    ("symbols", 65, f"{WHOLE} 2 to 64"),
    ("position", "last", "expected one of anywhere, first"),
    ("text_file", 7, "text_file=7: expected text, or None"),
    ("data_file", 7, "data_file=7: expected text, or None"),
    ("columns", 2, "columns=2: expected text, or None"),
    ("hidden_size", 0, "hidden_size=0: expected a whole number from 1 to 512"),
    ("hidden_size", "32", f"hidden_size='32': {WHOLE}"),
    ("hidden_size", True, f"hidden_size=True: {WHOLE}"),
    ("hidden_size", np.bool_(True), WHOLE),
    ("hidden_size", None, WHOLE),
    ("hidden_size", np.array([32]), WHOLE),
    ("layers", 5, f"{WHOLE} 1 to 4"),
    ("activation", "sigmoid", "expected one of tanh, relu, identity"),
    ("init", "xavier", "expected one of default, orthogonal, identity, chrono"),
    ("gain", 0.09, "gain=0.09: expected a number from 0.1 to 3"),
    ("gain", float("nan"), "gain=nan: expected a number"),
    ("gain", float("inf"), "gain=inf: expected a number"),
    ("gain", 1j, "expected a number"),
    ("gain", False, "expected a number"),
    ("forget_bias", -10.5, "expected a number from -10 to 10, or None"),
    ("seeds", 65, f"{WHOLE} 1 to 64"),
    ("seed", -1, f"{WHOLE} 0 to 2147483647"),
    ("batch_size", 4097, f"{WHOLE} 1 to 4096"),
    ("truncate", 0, f"{WHOLE} 1 to 100000, or None"),
    ("truncate", 2.5, WHOLE),
    ("steps", 0, f"{WHOLE} 1 to 100000"),
    ("learning_rate", 0, "expected a number from 1e-06 to 1"),
    ("optimizer", "lion", "expected one of adam, sgd, rmsprop"),
    ("clip", -0.1, "expected a number from 0 to 1000"),
    ("snapshot_every", 0, f"{WHOLE} 1 to 100000"),
]
REFUSED_TOGETHER = [
    ({"cell": "rnn", "forget_bias": 0.0}, "forget_bias=0.0: applies to cell lstm, gru, not rnn"),
    ({"cell": "rnn", "init": "chrono"}, "init='chrono': applies to cell lstm, gru, not rnn"),
    ({"init": "chrono", "forget_bias": 1}, "forget_bias=1.0: init=chrono"),
    ({"task": "copy", "position": "first"}, "position='first': applies to task recall, not copy"),
    ({"task": "adding", "symbols": 4}, "symbols=4: applies to task recall, copy, not adding"),
    ({"data_file": "a.csv"}, "data_file='a.csv': applies to task series, not recall"),
    ({"task": "text", "columns": "1"}, "columns='1': applies to task series, not text"),
    ({"text_file": "a.txt"}, "text_file='a.txt': applies to task text, words, not recall"),
    ({"task": "digits", "length": 65}, "length=65: task digits accepts only 64"),
]
ACCEPTED_TOGETHER = [
    {"cell": "rnn", "init": "orthogonal", "activation": "identity"},
    {"cell": "gru", "init": "chrono"},
    {"cell": "gru", "forget_bias": -10},
    {"task": "copy", "symbols": 2},
    {"task": "text", "text_file": "nowhere.txt"},
    {"task": "digits", "length": 64},
    {"task": "adding", "symbols": 8, "position": "anywhere"},
    {"length": 100_000, "clip": 0},
]


def test_every_setting_is_tested_with_bad_values():
    assert {name for name, _, _ in BAD} == set(SETTINGS)


@pytest.mark.parametrize(("name", "value", "message"), BAD)
def test_bad_value_is_refused_by_name_with_what_is_accepted(name, value, message):
    with pytest.raises(ValueError) as error:
        Experiment(**{name: value})
    assert str(error.value).startswith(f"{name}=")
    assert message in str(error.value)


@pytest.mark.parametrize(("settings", "message"), REFUSED_TOGETHER)
def test_inapplicable_setting_is_refused(settings, message):
    with pytest.raises(ValueError) as error:
        Experiment(**settings)
    assert message in str(error.value)


@pytest.mark.parametrize("settings", ACCEPTED_TOGETHER)
def test_round_trip_through_json(settings):
    experiment = Experiment(**settings)
    assert experiment.as_dict().items() >= settings.items()
    assert Experiment.from_dict(json.loads(json.dumps(experiment.as_dict()))) == experiment


@pytest.mark.parametrize("name", [name for name in SETTINGS if SETTINGS[name].low is not None])
def test_numbers_at_both_ends_are_accepted(name):
    about = SETTINGS[name]
    for value in (about.low, about.high):
        assert getattr(Experiment(**{name: value}), name) == value


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("task", TASKS)
def test_defaults_suit_every_cell_and_task(cell, task):
    assert Experiment(cell=cell, task=task).task_length in (20, 30, 50, 64)


@pytest.mark.parametrize(
    ("name", "value", "plain"),
    [
        ("hidden_size", np.int64(16), 16),
        ("gain", np.float32(0.5), 0.5),
        ("gain", 2, 2.0),
        ("forget_bias", np.int32(1), 1.0),
        ("cell", np.str_("gru"), "gru"),
    ],
)
def test_numbers_become_plain_python(name, value, plain):
    stored = getattr(Experiment(**{name: value}), name)
    assert stored == plain
    assert type(stored) is type(plain)


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_explains_itself(name):
    about = SETTINGS[name]
    type_, _ = experiment.setting_type(name)
    assert about.label
    assert about.help.endswith(".")
    assert set(about.applies_to) <= set(CELLS)
    assert set(about.tasks) <= set(TASKS)
    if type_ is str:
        assert about.choices or name in ("text_file", "data_file", "columns")
    else:
        assert about.low < about.high
        assert about.step > 0


def test_experiment_is_frozen_and_keyword_only():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Experiment().cell = "gru"
    with pytest.raises(TypeError):
        Experiment("gru")


def test_replace_checks_again():
    assert Experiment().replace(cell="gru", gain=2) == Experiment(cell="gru", gain=2.0)
    with pytest.raises(ValueError, match="layers=0"):
        Experiment().replace(layers=0)


def test_task_length_prefers_the_length_given():
    assert Experiment(task="copy", length=7).task_length == 7


def test_unknown_setting_is_refused():
    with pytest.raises(ValueError, match=r"'hidden': expected one of cell, task, length"):
        Experiment.from_dict({"hidden": 3})


@pytest.mark.parametrize(
    ("settings", "cell", "kept", "left_out"),
    [
        ({"forget_bias": 1.0, "gain": 2}, "rnn", {"gain": 2.0}, ["Forget bias"]),
        ({"forget_bias": 1.0, "gain": 2}, "gru", {"forget_bias": 1.0, "gain": 2.0}, []),
        ({"init": "chrono"}, "rnn", {}, ["Initialisation"]),
        ({"init": "chrono"}, "lstm", {"init": "chrono"}, []),
        ({"cell": "lstm", "init": "orthogonal"}, "rnn", {"init": "orthogonal"}, []),
        ({"symbols": 4, "task": "order"}, "gru", {"task": "order"}, ["Symbols"]),
        ({"length": 100, "task": "digits"}, "gru", {"task": "digits"}, ["Length"]),
        ({"forget_bias": None, "symbols": 8, "task": "text"}, "rnn", {"task": "text"}, []),
    ],
)
def test_for_cell_leaves_out_what_does_not_apply(settings, cell, kept, left_out):
    assert for_cell(settings, cell) == (Experiment(cell=cell, **kept), left_out)


@pytest.mark.parametrize(
    ("settings", "cell", "message"),
    [
        ({}, "cnn", "cell='cnn'"),
        ({"task": "sort"}, "rnn", "task='sort'"),
        ({"forget_bias": 99}, "rnn", "forget_bias=99"),
        ({"hidden": 3}, "rnn", "'hidden'"),
        ({"init": "chrono", "forget_bias": 1}, "gru", "init=chrono"),
    ],
)
def test_for_cell_still_refuses_bad_settings(settings, cell, message):
    with pytest.raises(ValueError, match=message):
        for_cell(settings, cell)


def test_the_built_in_text_is_read_once():
    text, digest = read_text(None)
    assert sha256(text.encode()).hexdigest() == digest
    assert read_text(None)[0] is text


def test_a_text_is_read_once_until_its_file_changes(tmp_path, monkeypatch):
    file = tmp_path / "a.txt"
    file.write_bytes(b"one")
    assert read_text(str(file)) == ("one", sha256(b"one").hexdigest())
    file.write_bytes(b"two")  # as long, and perhaps within one tick of the file system's clock
    assert read_text(str(file)) == ("two", sha256(b"two").hexdigest())
    an_hour_ago = file.stat().st_mtime - 3600
    for word in (b"six", b"ten", b"two"):  # a program that copies files sets the time of writing
        file.write_bytes(word)
        os.utime(file, (an_hour_ago, an_hour_ago))
        assert read_text(str(file)) == (word.decode(), sha256(word).hexdigest())
    in_an_hour = time.time_ns() + 3600 * 10**9
    monkeypatch.setattr(sources.time, "time_ns", lambda: in_an_hour)
    text, _ = read_text(str(file))
    assert text == "two" and read_text(str(file))[0] is text


def test_example_in_the_docstring():
    failed, tried = doctest.testmod(experiment)
    assert (failed, tried > 0) == (0, True)


def test_the_error_of_a_text_names_its_file_and_survives_pickling():
    error = TextFileError("a.txt", "3 characters: expected at least 70")
    for each in (error, pickle.loads(pickle.dumps(error))):
        assert str(each) == "text_file='a.txt': 3 characters: expected at least 70"
        assert (each.file, each.reason) == ("a.txt", "3 characters: expected at least 70")


@pytest.mark.parametrize("name", experiment.TEXTS)
def test_a_text_that_comes_with_goldfish_is_read_by_its_name(name, tmp_path, monkeypatch):
    text, text_sha256 = read_text(name)
    assert text_sha256 == sha256(text.encode()).hexdigest() and "\r" not in text
    monkeypatch.chdir(tmp_path)
    Path(name).write_text("a file")
    assert read_text(name)[0] == text
    assert read_text(f"./{name}")[0] == "a file"
