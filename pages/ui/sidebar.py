"""The sidebar: a widget for every setting of an Experiment, its value in the URL."""

import hashlib
import math
import tempfile
from pathlib import Path

import streamlit as st

from analysis.experiment import CELLS, DEFAULT_LENGTH, SETTINGS, Experiment, for_cell, setting_type
from analysis.report.markdown import escape_markdown
from analysis.report.wording import join_words
from pages.ui import session
from pages.ui.settings import Settings

MEGABYTES = 5  # of an uploaded text
SLIDER_STOPS = 600  # a number with more is typed
FIRST = ("task", "length", "hidden_size", "init", "gain", "forget_bias", "steps", "seeds")
MORE = tuple(name for name, setting in SETTINGS.items() if setting.more and name != "text_file")


def settings() -> Settings:
    """Return what the sidebar says; where that can't be, say why and end the page."""
    chosen = session.SETTINGS.get()
    if chosen.error:
        st.error(escape_markdown(chosen.error))
        st.stop()
    return chosen


def say_left_out(settings: Settings) -> None:
    """Say what doesn't apply to a cell. Call it below the picture, so that the picture does not move."""
    if settings.left_out:
        st.caption(settings.left_out)


def draw() -> None:
    """Draw the sidebar and keep what it says for `settings`."""
    forget_endless_numbers()
    with st.sidebar:
        cells = st.pills(
            "Cells", CELLS, selection_mode="multi", default=CELLS, format_func=str.upper, key=session.CELLS.name,
            help=SETTINGS["cell"].help, bind="query-params", width="stretch",
        )  # fmt: skip
        values = {"task": widget("task", "", "")}
        task = values["task"]
        if task in SETTINGS["text_file"].tasks:
            values["text_file"] = upload()
        for name in FIRST[1:]:
            values[name] = widget(name, task, values.get("init", ""))
        with st.expander("More"):
            values |= {name: widget(name, task, values["init"]) for name in MORE}
        st.button("Reset", on_click=put, args=({}, True), icon=":material/restart_alt:", width="stretch")
    session.SETTINGS.set(
        build(
            {name: v for name, v in values.items() if not disabled(name, task, values)},
            [cell for cell in CELLS if cell in cells],
        )
    )


def forget_endless_numbers() -> None:
    """Reload the page without URL values that are not finite: Streamlit's number inputs fail on them."""
    url = {name: st.query_params.get_all(name) for name in st.query_params}
    sound = {name: values for name, values in url.items() if name not in SETTINGS or not any(map(endless, values))}
    if len(sound) < len(url):
        st.switch_page(session.PAGE.get(), query_params=sound)


def endless(text: str) -> bool:
    """Whether a text is a number that isn't finite."""
    try:
        return not math.isfinite(float(text))
    except ValueError:
        return False


def disabled(name: str, task: str, values: dict) -> bool:
    """Whether a setting has no meaning next to the task or the initialisation chosen."""
    about = SETTINGS[name]
    if name == "forget_bias" and values.get("init") == "chrono":
        return True
    return bool(task) and (task not in about.tasks or task in about.fixed)


def widget(name: str, task: str, init: str):
    """Draw one setting's widget and return its value."""
    about, default = SETTINGS[name], SETTINGS[name].default
    type_, optional = setting_type(name)
    shared = {
        "label": about.label,
        "help": about.help,
        "key": name,
        "bind": "query-params",
        "disabled": disabled(name, task, {"init": init}),
    }
    if about.choices:
        return st.selectbox(**shared, options=about.choices, index=about.choices.index(default))
    low, high, step = (type_(number) for number in (about.low, about.page_high or about.high, about.step))
    numbers = {"min_value": low, "max_value": high, "step": step, "value": default}
    if not optional and (high - low) / step <= SLIDER_STOPS:
        return st.slider(**shared, **numbers)
    placeholder = None
    if optional:
        placeholder = f"task's own ({DEFAULT_LENGTH[task]})" if name == "length" else "as initialised"
    value = st.number_input(**shared, **numbers, placeholder=placeholder, format="%d" if type_ is int else "%g")
    return value


def build(values: dict, cells: list[str]) -> Settings:
    """Make one experiment per cell, leaving out what doesn't apply to it."""
    if not cells:
        return Settings({}, error="Choose at least one cell in the sidebar.")
    experiments, left_out = {}, []
    try:
        for cell in cells:
            experiments[cell], labels = for_cell(values, cell)
            if labels:
                left_out.append(f"{join_words(labels)} ({cell.upper()})")
    except ValueError as error:
        return Settings({}, error=str(error))
    return Settings(experiments, f"Doesn't apply and is left out: {', '.join(left_out)}." if left_out else "")


def put(settings: dict, anew: bool = False) -> None:
    """Set widgets to these values, and where all is to start anew the others to their defaults; for callbacks."""
    if anew:
        defaults = {name: SETTINGS[name].default for name in (*FIRST, *MORE)}
        settings = defaults | {session.CELLS.name: list(CELLS)} | settings
    for name, value in settings.items():
        session.setting(name).set(value)


def fits(experiment: Experiment) -> bool:
    """Whether the sidebar can show an experiment: a command line allows longer ones."""
    limits = {name: SETTINGS[name].page_high for name in (*FIRST, *MORE)}
    return all((getattr(experiment, name) or 0) <= high for name, high in limits.items() if high)


def take_over(experiment: Experiment) -> None:
    """Set every widget as an experiment says; a text of its own must be uploaded again. For callbacks."""
    settings = {name: value for name, value in experiment.as_dict().items() if name in (*FIRST, *MORE)}
    put(settings | {session.CELLS.name: [experiment.cell]}, anew=True)


def upload() -> str | None:
    """Ask for a text to learn from; return the path of the server's copy, None for the built-in text."""
    file = st.file_uploader(
        "Your own text",
        type=["txt", "md"],
        max_upload_size=MEGABYTES,
        key=session.UPLOAD.name,
        help=f"UTF-8, up to {MEGABYTES} MB; without one, Python's own help texts.",
    )
    if file is None:
        return None
    content = file.getvalue()
    try:
        content.decode()
    except UnicodeDecodeError as error:
        st.error(f"{escape_markdown(file.name)} is not UTF-8 (byte {error.start}): save it as UTF-8 and try again.")
        return None
    path = Path(uploads().name, hashlib.sha256(content).hexdigest() + ".txt")
    path.write_bytes(content)
    return str(path)


def with_own_name(experiment: Experiment) -> Experiment:
    """Name an uploaded text as its user does, not by the server's copy."""
    file = session.UPLOAD.get()
    return experiment.replace(text_file=file.name) if experiment.text_file and file else experiment


@st.cache_resource(show_spinner=False)
def uploads() -> tempfile.TemporaryDirectory:
    """Return the server's folder for uploaded texts, which goes when the server ends."""
    return tempfile.TemporaryDirectory(prefix="goldfish-")
