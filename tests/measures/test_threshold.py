from analysis.history.entry import Progress
from analysis.measures.decay import at_threshold
from analysis.measures.threshold import horizons_at
from tests.helpers.runs import keep, trained


def test_a_run_at_its_own_threshold_is_the_run_itself(run):
    assert horizons_at(run, run.snapshots[0].decay.threshold) is run


def test_every_snapshot_gets_the_horizon_of_another_threshold(run):
    changed = horizons_at(run, 0.5)
    assert [snapshot.decay for snapshot in changed.snapshots] == [at_threshold(s.decay, 0.5) for s in run.snapshots]
    assert changed.after == run.after


def test_a_run_on_its_way_gets_them_too(store):
    run = trained("lstm")
    progress = Progress(store.row(keep(store, run)), run.snapshots[:2], run.chance, run.metric_name)
    assert [snapshot.decay.threshold for snapshot in horizons_at(progress, 0.5).snapshots] == [0.5, 0.5]
    assert (progress.metric_name, progress.experiment) == (run.metric_name, run.experiment)
