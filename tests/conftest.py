"""Torch on one thread, as the engine runs: with more, small work on a busy machine takes many times longer."""

import torch

torch.set_num_threads(1)
