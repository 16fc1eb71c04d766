from analysis.report.sentences.progress import progress_sentence
from tests.helpers.runs import trained


def test_a_run_without_snapshots_is_described_by_its_status():
    experiment = trained("lstm").experiment
    assert progress_sentence(experiment, "queued", (), 0.125, "accuracy") == "LSTM: waits for a free core."
    assert progress_sentence(experiment, "interrupted", (), 0.125, "accuracy") == "LSTM: interrupted."


def test_a_run_in_its_middle_is_described_by_its_last_snapshot():
    run = trained("lstm")
    sentence = progress_sentence(run.experiment, "running", run.snapshots[:2], run.chance, run.metric_name)
    assert sentence.startswith("LSTM after 10 of 20 updates: accuracy ")
    assert "on training batches, chance 0.125; horizon " in sentence and sentence.endswith(".")
