"""Workers that wait before a step for as long as a file exists, so that tests know where a run is."""

import os
import time
from math import inf
from pathlib import Path

from analysis.jobs import worker
from analysis.training.trainer import Trainer

DEADLY = 666  # the seed of an experiment that ends its worker


def work(hold, pipe, checkpoint_seconds):
    """Do what a worker does, but go no further than the step that the file `hold` holds, while it is there."""
    hold_training(hold)
    worker.work(pipe, checkpoint_seconds)


def hold_training(hold):
    """Go no further than the step that the file `hold` holds, while it is there; end the process for a deadly seed."""
    advance = Trainer.advance

    def held(trainer):
        while trainer.step >= last_step(hold):
            time.sleep(0.005)
        if trainer.experiment.seed == DEADLY and trainer.step == 5:
            os._exit(1)
        return advance(trainer)

    Trainer.advance = held


def last_step(hold):
    try:
        return int(Path(hold).read_text() or 0)
    except FileNotFoundError:
        return inf
