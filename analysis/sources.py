"""The files that an experiment learns from, read with the hash that the history knows them by."""

import time
from functools import lru_cache
from hashlib import sha256
from pathlib import Path, PureWindowsPath
from typing import ClassVar

from analysis.experiment import SETTINGS, TEXTS, Experiment
from analysis.files.arrays import array_shape, reading
from analysis.files.limits import LARGEST, MIB

FILE_SETTINGS = ("text_file", "data_file")  # the settings that name a file
RECENT_NS = 2 * 10**9  # a file changed less than this long ago is read again at every call


class SourceError(ValueError):
    """A file can't be learned from. `file` is what its setting says."""

    setting: ClassVar[str]

    def __init__(self, file: str | None, reason: str) -> None:
        super().__init__(file, reason)
        self.file, self.reason = file, reason

    def __str__(self) -> str:
        return f"{self.setting}={self.file!r}: {self.reason}"


class TextFileError(SourceError):
    """A text can't be learned from; None is Python's help texts."""

    setting = "text_file"


class DataFileError(SourceError):
    """Someone's own data can't be learned from."""

    setting = "data_file"


def file_setting(task: str) -> str | None:
    """Return the setting that names the file which a task learns from; None for a task that reads none."""
    return next((name for name in FILE_SETTINGS if task in SETTINGS[name].tasks), None)


def own_file(experiment: Experiment) -> str | None:
    """Return the path of the file of its user that an experiment learns from; None where it has none."""
    return experiment.data_file or (None if experiment.text_file in TEXTS else experiment.text_file)


def data_name(experiment: Experiment) -> str:
    """Return the name of an experiment's data file, without its folder; "" where it has none."""
    return PureWindowsPath(experiment.data_file or "").name  # takes both kinds of slashes


def source_sha256(experiment: Experiment) -> str | None:
    """Return the hash of what an experiment's task reads; None for a task that reads no file.

    Raises SourceError for a file that can't be read.
    """
    match file_setting(experiment.task):
        case "text_file":
            return read_text(experiment.text_file)[1]
        case "data_file":
            return read_data(experiment.data_file)[1]
    return None


def with_own_length(experiment: Experiment) -> Experiment:
    """Return an experiment on an .npz, if its length is unset, with that of the sequences; any other as it is.

    Where the file can't be read, nothing is changed: building the task says why.
    """
    if not is_npz(experiment.data_file) or experiment.length is not None:
        return experiment
    try:
        content, _ = read_data(experiment.data_file)
        with reading("", content, "an .npz"):
            steps = array_shape(content, "x")[1]
        return experiment.replace(length=steps)
    except ValueError:
        return experiment


def is_npz(data_file: str | None) -> bool:
    """Return whether a data file holds sequences with answers, by its ending; any other holds series over time."""
    return data_file is not None and data_file.lower().endswith(".npz")


def read_text(text_file: str | None) -> tuple[str, str]:
    """Return a text and the SHA-256 of its bytes.

    Args:
        text_file: a name in `TEXTS`, else the path of a file ("./english" is a path); None = Python's own help texts.

    Texts are cached; a file that changed is read again.

    Raises:
        TextFileError: for a file that can't be read, or isn't UTF-8.
    """
    if text_file is None:
        return _help_texts()
    if text_file in TEXTS:
        return _built_in_text(text_file)
    try:
        return _read_text_unchanged(text_file, *_version_of(text_file))
    except UnicodeDecodeError as error:
        reason = f"{error.reason} at byte {error.start}"
        raise TextFileError(text_file, f"expected UTF-8: {reason}") from None
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise TextFileError(text_file, f"expected a UTF-8 file: {_reason(error)}") from None


def read_data(data_file: str | None) -> tuple[bytes, str]:
    """Return the bytes of a file of data and their SHA-256; cached as texts are.

    Raises:
        DataFileError: for no file, and one that can't be read or is too large.
    """
    if data_file is None:
        raise DataFileError(None, "task series learns from a file of yours: expected a .csv or an .npz")
    try:
        return _read_data_unchanged(data_file, *_version_of(data_file))
    except (OSError, ValueError) as error:  # ValueError: too large, or a null character in the name
        raise DataFileError(data_file, f"expected a .csv or an .npz: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    """Return why a file could not be read."""
    return getattr(error, "strerror", None) or str(error)


@lru_cache
def _built_in_text(name: str) -> tuple[str, str]:
    """Return a text that comes with Goldfish, and its hash."""
    return _text_and_hash(Path(__file__).with_name("texts").joinpath(f"{name}.txt").read_bytes())


@lru_cache(maxsize=1)
def _help_texts() -> tuple[str, str]:
    """Return the help texts that come with Python, as one text, and its hash."""
    from pydoc_data.topics import topics

    return _text_and_hash("\n".join(topics[name] for name in sorted(topics)).encode())


def _version_of(file: str) -> tuple[int, ...]:
    """Return numbers that change whenever the file does."""
    about, now = Path(file).stat(), time.time_ns()
    # Two writes in quick succession may get the same time stamp; a pipe or a device has size 0 and no useful one.
    # Programs that copy files may set an old time of writing, but not st_ctime.
    reliable = about.st_size > 0 and max(about.st_mtime_ns, about.st_ctime_ns) < now - RECENT_NS
    return about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns, 0 if reliable else now


@lru_cache(maxsize=4)
def _read_text_unchanged(text_file: str, *_version: int) -> tuple[str, str]:
    """Return a file's text and hash, cached by name and version."""
    return _text_and_hash(Path(text_file).read_bytes())


@lru_cache(maxsize=4)
def _read_data_unchanged(data_file: str, *_version: int) -> tuple[bytes, str]:
    """Return a file's bytes and hash, cached by name and version; ValueError where it is too large."""
    with Path(data_file).open("rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(f"more than {LARGEST // MIB} MiB")
    return content, sha256(content).hexdigest()


def _text_and_hash(content: bytes) -> tuple[str, str]:
    return content.decode(), sha256(content).hexdigest()
