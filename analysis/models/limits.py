"""Limits of a user's model and inputs, and the defaults of random inputs. Needs no torch."""

NONLINEARITIES = ("tanh", "relu")  # those that torch offers for an RNN
STEPS, SEQUENCES = 1000, 64  # the most that are used of inputs
LARGEST_VARIANCE = 1e6  # of random inputs
RANDOM_STEPS, RANDOM_SEQUENCES = 100, 16  # the default of random inputs
RANDOM_VARIANCE, RANDOM_SEED = 1.0, 0
