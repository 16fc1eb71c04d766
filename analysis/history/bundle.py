"""Several exported runs in one file, which may come from anywhere. A run itself is checked where it is imported."""

import io
import zipfile
from collections.abc import Mapping

from analysis.history.database import StoreError
from analysis.history.serialization import LARGEST

SUFFIX = ".zip"  # of an exported run
MOST = 200  # runs in one file


def bundle(files: Mapping[str, bytes]) -> bytes:
    """Return exported runs, by a name for each, as one ZIP, in which each is the file that it is alone."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:  # ZipInfo has no time, so that equal runs are equal bytes
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(f"{name}{SUFFIX}"), data)
    return packed.getvalue()


def unbundle(data: bytes) -> list[bytes]:
    """Return the exported runs in what `bundle` made; any other file, and a damaged one, is returned as it is.

    Raises:
        StoreError: for more than `MOST` runs, more than `LARGEST` bytes, and what can't be unpacked.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if not members or not all(member.filename.endswith(SUFFIX) for member in members):
                return [data]
            size = sum(member.file_size for member in members)
            if len(members) > MOST or size > LARGEST:
                raise StoreError(
                    f"{len(members):,} runs of {size:,} bytes: expected at most {MOST} runs, {LARGEST:,} bytes"
                )
            return [archive.read(member) for member in members]
    except zipfile.BadZipFile:
        return [data]
    except StoreError:
        raise
    except Exception as error:  # zipfile and zlib raise many kinds for forged bytes
        raise StoreError(f"runs that can't be unpacked: {error}") from error
