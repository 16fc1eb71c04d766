"""How large a file may be, and what it unpacks to."""

from analysis.files.errors import UnusableError

MIB = 2**20
LARGEST = 100 * MIB  # bytes of a file, and of what it unpacks to
LARGEST_TABLE = 20 * MIB  # bytes of a .csv
LARGEST_HEADER = 2 * MIB  # the names and shapes in front of the numbers


def require_size(size: int, largest: int, what: str) -> None:
    """Raise an UnusableError for a size above the largest, both in bytes."""
    if size > largest:
        raise UnusableError(f"{what} of {size / MIB:,.1f} MiB: expected at most {largest / MIB:g} MiB")
