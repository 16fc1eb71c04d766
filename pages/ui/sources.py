"""What a model learns from: the texts to choose from, and files of the visitor's own, uploaded in the sidebar."""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from analysis.experiment import SETTINGS, Experiment
from analysis.report.markdown import escape_markdown
from analysis.report.sentences.training import time_columns_sentence
from analysis.sources import SourceError, file_setting
from analysis.tasks.series import time_columns
from pages.ui import session
from pages.ui.server import uploads
from pages.ui.settings import HELP_TEXTS, TEXT_CHOICES
from pages.ui.uploads import NoRoomError

TEXT_MEGABYTES, DATA_MEGABYTES = 5, 20
LONGEST_NAME = 60  # characters of a file's name that are kept
OF_TEXT = (session.TEXT.name, session.UPLOAD.name)  # the widgets of a task that reads a text
OF_DATA = (session.DATA.name, session.COLUMNS.name)  # of one that reads the visitor's data
NO_DATA = (
    "This task learns from data of yours: upload it in the sidebar. A .csv holds series over time, a row for each time "
    "step, whose next row is forecast. An .npz of numpy.savez holds sequences x (N, T, D) with their answers y: whole "
    "numbers (N,) are classes, other numbers (N,) or (N, K) are to be predicted."
)


def choose_text() -> str | None:
    """Ask for a text to learn from; return what names it in an experiment: an uploaded one's path, on the server."""
    chosen = st.selectbox(
        "Text", TEXT_CHOICES, key=session.TEXT.name, bind="query-params",
        help="What a model learns from whose task is text or words. Its vocabulary is that of the text.",
    )  # fmt: skip
    return _uploaded_text() or (None if chosen == HELP_TEXTS else chosen)


def _uploaded_text() -> str | None:
    """Ask for a text of the visitor's own; return the path of the server's copy, None where there is none."""
    file = st.file_uploader(
        "Your own text",
        type=["txt", "md"],
        max_upload_size=TEXT_MEGABYTES,
        key=session.UPLOAD.name,
        help=f"UTF-8, up to {TEXT_MEGABYTES} MB; it takes the place of the text above.",
    )
    if file is None:
        return None
    content = file.getvalue()
    try:
        content.decode()
    except UnicodeDecodeError as error:
        st.error(f"{escape_markdown(file.name)} is not UTF-8 (byte {error.start}): save it as UTF-8 and try again.")
        return None
    return _keep(content)


def choose_data() -> dict[str, str | None]:
    """Ask for the visitor's own data; return the settings that say what is read: the server's copy, and its columns."""
    file = st.file_uploader(
        "Your own data",
        type=["csv", "npz"],
        max_upload_size=DATA_MEGABYTES,
        key=session.DATA.name,
        help=f"A .csv of series over time, or an .npz of sequences x with answers y; up to {DATA_MEGABYTES} MB. The "
        "last fifth is held out. All is scaled by the mean and the spread of what is trained on.",
    )
    columns = st.text_input(
        SETTINGS["columns"].label, value=None, key=session.COLUMNS.name, bind="query-params", placeholder="all",
        help=SETTINGS["columns"].help,
    )  # fmt: skip
    path = _keep_data(file) if file else None
    if names := time_columns(path, columns or None):
        st.caption(escape_markdown(time_columns_sentence(names)))
    return {"data_file": path, "columns": columns or None}


def _keep_data(file: UploadedFile) -> str | None:
    """Keep data on the server under its user's name; return the path, None where there is no room."""
    name = Path(file.name.replace("\0", ""))
    return _keep(file.getvalue(), name.stem[:LONGEST_NAME] + name.suffix)


def _keep(content: bytes, name: str = "") -> str | None:
    """Keep an uploaded file on the server; return its path. Where there is no room, say so and return None."""
    try:
        return str(uploads().keep(content, name))
    except NoRoomError as error:
        st.error(f"Not uploaded: {error}.")
        return None


def lacks_data(experiment: Experiment) -> bool:
    """Return whether an experiment's task learns from data that nobody has uploaded."""
    return file_setting(experiment.task) == "data_file" and experiment.data_file is None


def with_own_name(experiment: Experiment) -> Experiment:
    """Name an uploaded file as its user does, not by the server's copy."""
    text, data = experiment.text_file, experiment.data_file
    if data and uploads().holds(data):
        return experiment.replace(data_file=Path(data).name)
    file = session.UPLOAD.get()
    is_this = file and text and uploads().holds(text) and Path(text).stem == sha256(file.getvalue()).hexdigest()
    return experiment.replace(text_file=file.name) if is_this else experiment


@contextmanager
def saying_why(experiment: Experiment) -> Iterator[None]:
    """Say why, and end the page, where the block can't build an experiment's task; name a file as its user does."""
    try:
        yield
        return
    except SourceError as error:
        problem: Exception = type(error)(getattr(with_own_name(experiment), error.setting), error.reason)
    except (ValueError, ModuleNotFoundError) as error:
        problem = error
    st.error(escape_markdown(problem))
    st.stop()
