"""What a dask worker of the tests loads first: hold training, checkpoint often, claim another version of torch."""

import os
from functools import partial
from pathlib import Path

from analysis import results
from tests.jobs.held import hold_training

hold = os.environ["TEST_HOLD"]
if claimed := os.environ.get("TEST_TORCH"):
    versions = results.versions
    results.versions = lambda: versions() | {"torch": claimed}

from analysis.jobs import remote  # noqa: E402
from analysis.training.trainer import Trainer  # noqa: E402

remote.perform = partial(remote.perform, checkpoint_seconds=0.01)
remote.PROGRESS_SECONDS = 0.01
hold_training(hold)
restore = Trainer.restore


def restore_and_note(trainer, checkpoint):
    """Restore, and note in a file at which step."""
    with Path(f"{hold}.restored").open("a") as file:
        file.write(f"{trainer.experiment.seed} {checkpoint.step}\n")
    restore(trainer, checkpoint)


Trainer.restore = restore_and_note
