"""What a worker reports and logs, without a process."""

import logging

import pytest

from analysis.jobs.worker import perform
from analysis.sources import TextFileError
from tests.helpers.runs import SMALL, trained


def test_a_training_that_fails_is_reported_and_logged_with_its_traceback(tmp_path, caplog):
    reports = []
    experiment = SMALL.replace(task="text", text_file=str(tmp_path / "none"))
    with caplog.at_level(logging.ERROR, "analysis.jobs"), pytest.raises(ValueError, match="text_file"):
        perform(experiment, lambda *report: reports.append(report))
    columns, blob = reports[-1]
    assert columns["status"] == "failed" and columns["reason"].startswith("text_file=") and blob is None
    (record,) = caplog.records
    assert record.exc_info[0] is TextFileError


def test_a_damaged_checkpoint_is_logged_and_left_out(caplog):
    with caplog.at_level(logging.ERROR, "analysis.jobs"):
        assert perform(SMALL, lambda *report: None, b"damaged") == trained("lstm")
    assert "damaged checkpoint" in caplog.text


def test_nothing_is_logged_unless_asked_for(capfd, tmp_path):
    experiment = SMALL.replace(task="text", text_file=str(tmp_path / "none"))
    with pytest.raises(ValueError, match="text_file"):
        perform(experiment, lambda *report: None)
    assert capfd.readouterr().err == ""
