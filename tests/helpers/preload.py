"""What a dask worker of the tests loads first: hold training, checkpoint often, claim another version of torch."""

import os
from functools import partial
from pathlib import Path

from analysis import results
from tests.jobs.held import hold_training


def claim_torch(version):
    """Have `results.versions` name a version of torch."""
    versions = results.versions
    results.versions = lambda: versions() | {"torch": version}


def note_restores(hold):
    """Write into a file beside `hold` at which step each run goes on."""
    restore = Trainer.restore

    def noted(trainer, checkpoint):
        with Path(f"{hold}.restored").open("a") as file:
            file.write(f"{trainer.experiment.seed} {checkpoint.step}\n")
        restore(trainer, checkpoint)

    Trainer.restore = noted


if "TEST_TORCH" in os.environ:
    claim_torch(os.environ["TEST_TORCH"])

from analysis.jobs import remote  # noqa: E402
from analysis.training.trainer import Trainer  # noqa: E402

remote.perform = partial(remote.perform, checkpoint_seconds=0.0)
remote.PROGRESS_SECONDS = 0.01
hold_training(os.environ["TEST_HOLD"])
note_restores(os.environ["TEST_HOLD"])
