"""Torch on one thread, as the engine runs; a history of its own, never the user's."""

import os
import tempfile
from pathlib import Path

import torch

torch.set_num_threads(1)
os.environ["GOLDFISH_STORE"] = str(Path(tempfile.mkdtemp(prefix="goldfish-tests-"), "runs.sqlite"))
