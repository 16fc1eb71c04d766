"""Tables of what the pages draw, read back as CSV."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest

from analysis import Experiment, measure_untrained, train
from analysis.experiment import SETTINGS
from analysis.lesson.held import hold_gate_of_model
from analysis.lesson.reading import read_with_model
from analysis.lesson.repetition import repeat
from analysis.measures.gate_reading import read_gates
from analysis.report.tables import (
    bounds_tables,
    gate_sequence_tables,
    held_csv,
    reading_tables,
    runs_tables,
    saturation_tables,
    vector_csv,
)
from analysis.tasks.vocabulary import split_words

SMALL = {"length": 6, "hidden_size": 4, "seeds": 2, "steps": 10, "batch_size": 4}


def rows(write):
    return list(csv.DictReader(io.StringIO(write())))


def test_a_reading_is_written_by_word_and_unit():
    words = split_words("the = <b>")
    reading = read_with_model(Experiment(task="words", cell="lstm", seeds=1, hidden_size=3), words)
    written = {name: rows(write) for name, write in reading_tables({"lstm": reading}, reading).items()}
    assert len(written["flow"]) == 5 * 3
    row = written["flow"][4]
    assert (row["model"], row["step"], row["word"], row["unit"]) == ("lstm", "1", "=", "1")
    assert float(row["cell"]) == reading.parts["cell"][1, 1]
    assert [row["wanted"] for row in written["connectivity"][:2]] == ["=", "<"]
    assert float(written["connectivity"][2]["norm"]) == reading.connectivity[1, 1]


def test_a_held_gate_is_written_by_word_beside_the_gate_as_it_is():
    experiment = Experiment(task="words", cell="lstm", seeds=1, hidden_size=3)
    as_it_is, held = (hold_gate_of_model(experiment, split_words("the list ,"), "forget", v) for v in (None, 0.9))
    written = rows(lambda: held_csv(as_it_is, held))
    assert [row["value"] for row in written] == [""] * 3 + ["0.9"] * 3
    assert [row["word"] for row in written[3:]] == ["the", "list", ","]
    assert [row["distance"] for row in written[3:]] == ["2", "1", "0"]
    for row, reading, k in ((written[0], as_it_is, 2), (written[4], held, 1)):
        assert float(row["gradient"]) == reading.gradient[k] and float(row["left"]) == reading.left[k]
        assert float(row["memory"]) == reading.size[2 - k] == np.abs(reading.cell_state[2 - k]).mean()
    assert [row["through_gate"] for row in written[:3]] == [""] * 3
    assert [float(row["through_gate"]) for row in written[3:]] == pytest.approx([0.81, 0.9, 1])


def test_saturation_is_written_by_bin_and_by_unit():
    run = train(Experiment(cell="lstm", length=6, hidden_size=4, seeds=2, steps=2))
    experiment = {"lstm": run.experiment}
    saturation = {"lstm": run.measured_after.saturation}
    tables = {name: text() for name, text in saturation_tables({}, saturation, experiment).items()}
    rows = tables["gates"].splitlines()
    assert rows[0] == "cell,gate,phase,from,to,share" and len(rows) == 1 + 4 * 40
    assert sum(float(row.split(",")[-1]) for row in rows[1:]) == pytest.approx(4)
    assert len(tables["gates-by-unit"].splitlines()) == 1 + 4 * 2 * 4


def test_the_gates_of_a_sequence_are_written_by_step_and_by_moment():
    experiment = Experiment(cell="gru", length=6, hidden_size=4, seeds=1)
    sample, moments = read_gates(experiment, 1)
    written = {name: rows(write) for name, write in gate_sequence_tables({"gru": sample}, {"gru": moments}).items()}
    assert len(written["gates-in-time"]) == 3 * 6 and len(written["gates-by-moment"]) == 3 * 4
    update = [row for row in written["gates-in-time"] if row["gate"] == "update"]
    unit = int(sample.units[2])
    assert [float(row[f"unit_{unit}"]) for row in update] == sample.gates["update"][:, 2].tolist()
    means = [float(row["mean"]) for row in written["gates-by-moment"] if row["gate"] == "reset"]
    assert means == moments.mean["reset"].tolist()
    text = read_gates(experiment.replace(task="text"), 1)
    assert gate_sequence_tables({"gru": text[0]}, {"gru": text[1]}).keys() == {"gates-in-time"}


def test_bounds_are_written_by_step_and_by_distance():
    experiment = Experiment(cell="lstm", length=6, hidden_size=4, seeds=2)
    measured = {a: measure_untrained(experiment.replace(activation=a)) for a in SETTINGS["activation"].choices}
    tables = {name: write().splitlines() for name, write in bounds_tables("lstm", measured).items()}
    assert len(tables["state"]) == len(tables["gradient"]) == 1 + 3 * 6
    assert "hidden_0.99" in tables["state"][0] and "cell_1" in tables["state"][0]


def test_a_repeated_vector_is_written_by_entry_and_step():
    rows = vector_csv(repeat([1.0, 2.0], 3)).splitlines()
    assert rows[0] == "start,step,plain,tanh" and len(rows) == 1 + 2 * 11
    assert float(rows[11].split(",")[2]) == np.float64(3) ** 10


def test_runs_are_written_by_label():
    run = train(Experiment(cell="gru", **SMALL))
    tables = {name: rows(write) for name, write in runs_tables({"a": run}, {"a": run.after}).items()}
    assert [float(row["relative"]) for row in tables["decay"]] == run.after.relative.tolist()
    assert [int(row["step"]) for row in tables["timeline"]] == [each.step for each in run.snapshots]
    assert [float(row["accuracy"]) for row in tables["memory"]] == run.memory.value.tolist()
    assert [row["trained"] for row in tables["memory"]] == [str(had) for had in run.memory.trained]


def test_a_dead_seed_leaves_the_exported_median():
    run = train(Experiment(cell="gru", **SMALL | {"steps": 4}))
    last = run.snapshots[-1]
    dead = replace(run, snapshots=(replace(last, metric=np.array([0.5, np.nan])),))
    (row,) = rows(runs_tables({"a": dead}, {"a": dead.after})["timeline"])
    assert float(row["accuracy"]) == 0.5
