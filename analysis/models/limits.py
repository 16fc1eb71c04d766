"""Limits of a user's model and inputs, and the defaults of random inputs. Needs no torch."""

from analysis.models.errors import UnusableError

MIB = 2**20
LARGEST = 100 * MIB  # bytes of a file, and of what it unpacks to
LARGEST_HEADER = 2 * MIB  # the names and shapes in front of the numbers
NONLINEARITIES = ("tanh", "relu")  # those that torch offers for an RNN
STEPS, SEQUENCES = 1000, 64  # the most that are used of inputs
LARGEST_VARIANCE = 1e6  # of random inputs
RANDOM_STEPS, RANDOM_SEQUENCES = 100, 16  # the default of random inputs
RANDOM_VARIANCE, RANDOM_SEED = 1.0, 0


def require_size(size: int, largest: int, what: str) -> None:
    """Raise an UnusableError for a size above the largest, both in bytes."""
    if size > largest:
        raise UnusableError(f"{what} of {size / MIB:,.1f} MiB: expected at most {largest / MIB:g} MiB")
