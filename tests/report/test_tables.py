"""Tables of what the pages draw, read back as CSV."""

import csv
import io

from analysis import Experiment
from analysis.lesson.reading import read_with_model
from analysis.report.tables import reading_tables
from analysis.tasks.vocabulary import split_words


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
