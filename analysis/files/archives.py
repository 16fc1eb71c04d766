"""Open a ZIP from anywhere."""

import io
import zipfile

from analysis.files.errors import UnusableError
from analysis.files.limits import LARGEST, require_size

MOST_ENTRIES = 20_000


def open_archive(data: bytes) -> zipfile.ZipFile:
    """Open a ZIP; refuse one too large unpacked, of too many entries, with entries of one name, or encrypted."""
    if data.count(b"PK\x01\x02") > MOST_ENTRIES:
        raise UnusableError(f"a ZIP of too many entries: expected at most {MOST_ENTRIES:,}")
    archive = zipfile.ZipFile(io.BytesIO(data))
    members = archive.infolist()
    if len({member.filename for member in members}) < len(members):
        raise UnusableError("a ZIP with two entries of one name: expected each once")
    if any(member.flag_bits & 1 for member in members):
        raise UnusableError("a ZIP with a password: expected one without")
    require_size(sum(member.file_size for member in members), LARGEST, "a ZIP with a content")
    return archive
