"""The sidebar: a widget for every setting of an Experiment, its value in the URL."""

from typing import Any

import streamlit as st

from analysis.experiment import CELLS, SETTINGS, TEXTS, Experiment, for_cell, setting_type
from analysis.language import current_language
from analysis.language import translate as _
from analysis.report.markdown import escape_markdown
from analysis.report.sentences.choice import TASKS
from analysis.report.wording import join_words
from analysis.sources import FILE_SETTINGS, file_setting, with_own_length
from pages.ui import session, sources
from pages.ui.settings import HELP_TEXTS, Settings

SLIDER_STOPS = 600  # a number with more is typed
FIRST = ("task", "length", "hidden_size", "layers", "init", "gain", "forget_bias", "steps", "seeds")
MORE = tuple(name for name, setting in SETTINGS.items() if setting.more and name not in (*FILE_SETTINGS, "columns"))
STOPS = {  # of the slider of a number that may be unset, besides the number itself
    "length": (*range(2, 10), *range(10, 30, 2), *range(30, 60, 5), *range(60, 100, 10), *range(100, 200, 20),
               *range(200, 500, 50), *range(500, 1001, 100)),
    "forget_bias": tuple(number / 2 for number in range(-20, 21)),
}  # fmt: skip
# What pages read of the sidebar: all of it; what Home asks for; how models start; how one model starts, whose cell and
# activation the page asks for; a small model that learns the next word of a text.
EVERYTHING = (session.CELLS.name, *sources.OF_TEXT, *sources.OF_DATA, *FIRST, *MORE)
TRAINING = ("steps", "batch_size", "learning_rate", "optimizer", "clip", "snapshot_every")
HOME = (session.CELLS.name, *sources.OF_TEXT, *sources.OF_DATA, "task", "length", "hidden_size", "layers", "seeds")
START = tuple(name for name in EVERYTHING if name not in TRAINING)
ONE_CELL = tuple(name for name in START if name not in (session.CELLS.name, "activation"))
NEXT_WORD = (*sources.OF_TEXT, "hidden_size", "init", "gain", "forget_bias", "seed", *TRAINING)


def settings(read: tuple[str, ...] = EVERYTHING) -> Settings:
    """Return what the sidebar says, and let it show only what the page reads; where it is wrong, end the page."""
    show(read)
    chosen = session.SETTINGS.get()
    no_cell = session.CELLS.name in read and not chosen.cells
    if error := chosen.error or (_("Choose at least one cell in the sidebar.") if no_cell else ""):
        st.error(escape_markdown(error))
        st.stop()
    if "task" in read and chosen.experiments and sources.lacks_data(chosen.first):
        st.info(sources.NO_DATA)
        st.stop()
    return chosen


def show(read: tuple[str, ...] = ()) -> None:
    """Let the sidebar show only what the page reads. The rest keeps its values there, and in the URL."""
    hidden = [name for name in EVERYTHING if name not in read]
    if "task" in read:
        reads = file_setting(session.setting("task").get() or "")
        hidden += () if reads == "text_file" else sources.OF_TEXT
        hidden += () if reads == "data_file" else sources.OF_DATA
    hidden = [session.setting_place(name) if name in STOPS else name for name in hidden]
    hidden += ["task_said"] * ("task" not in read)
    hidden += ["more"] * (not set(MORE) & set(read)) + ["reset", "undo_reset"] * (not read)
    if hidden:
        keys = ", ".join(f".st-key-{name}" for name in hidden)
        st.html(f"<style>:is({keys}), [data-testid=stLayoutWrapper]:has(> :is({keys})) {{ display: none }}</style>")


def say_left_out(settings: Settings) -> None:
    """Say what doesn't apply to a cell. Call it below the picture, so that the picture does not move."""
    if settings.left_out:
        st.caption(settings.left_out)


def draw() -> None:
    """Draw the sidebar and keep what it says for `settings`."""
    with st.sidebar:
        cells = st.pills(
            _("Cells"), CELLS, selection_mode="multi", default=CELLS, format_func=str.upper, key=session.CELLS.name,
            help=_(SETTINGS["cell"].help), bind="query-params", width="stretch",
        )  # fmt: skip
        values = {"task": widget("task", "", "")}
        task = values["task"]
        with st.container(key="task_said"):
            if current_language() != "en":  # the names of tasks stand in links, and are the same in every language
                st.caption(_(TASKS[task]))
        text = sources.choose_text()  # drawn at every run: what a visitor chose or uploaded stays
        data = sources.choose_data()
        own_length = _own_length(task, data)
        for name in FIRST[1:]:
            values[name] = widget(name, task, values.get("init", ""), own_length)
        with st.expander("More", key="more"):
            values |= {name: widget(name, task, values["init"]) for name in MORE}
        _draw_reset()
    reads = file_setting(task)
    values |= {"text_file": text} if reads == "text_file" else data if reads == "data_file" else {}
    values = {name: value for name, value in values.items() if not disabled(name, task, values)}
    session.SETTINGS.set(build(values, [cell for cell in CELLS if cell in cells], text))


def disabled(name: str, task: str, values: dict) -> bool:
    """Whether a setting has no meaning next to the task or the initialisation chosen."""
    about = SETTINGS[name]
    if name == "forget_bias" and values.get("init") == "chrono":
        return True
    return bool(task) and (task not in about.tasks or task in about.fixed)


def _own_length(task: str, data: dict[str, str | None]) -> int:
    """Return a task's own length, that of the visitor's sequences where it reads some."""
    own = data if file_setting(task) == "data_file" else {}
    return with_own_length(Experiment(task=task, **own)).task_length


def widget(name: str, task: str, init: str, own_length: int = 0) -> str | float | None:
    """Draw one setting's widget and return its value; an unset length stands at `own_length`."""
    about, default = SETTINGS[name], SETTINGS[name].default
    shared = {"label": _(about.label), "help": _(about.help), "disabled": disabled(name, task, {"init": init})}
    if about.choices:
        return st.selectbox(
            **shared, options=about.choices, index=about.choices.index(default), key=name, bind="query-params"
        )
    type_ = setting_type(name)[0]
    low, high, step = (type_(number) for number in (about.low, about.page_high or about.high, about.step))
    numbers = {"min_value": low, "max_value": high, "step": step, "key": name, "bind": "query-params"}
    form = "%d" if type_ is int else "%g"
    if name not in STOPS:
        if (high - low) / step <= SLIDER_STOPS:
            return st.slider(**shared, **numbers, value=default)
        return st.number_input(**shared, **numbers, value=default, format=form)
    own = own_length if name == "length" else 0.0  # where the slider stands while the number is unset
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key=session.setting_place(name)):
        _draw_slider(name, own, shared)
        return st.number_input(
            _("{setting}, typed").format(setting=_(about.label)), **numbers, value=None, format=form,
            placeholder=f"{own:g}", width=80, disabled=shared["disabled"], label_visibility="collapsed",
        )  # fmt: skip


def _draw_slider(name: str, own: float, shared: dict[str, Any]) -> None:
    """Draw the slider of a number that may be unset; the field beside it holds the number."""
    number, slider = session.setting(name), session.setting_slider(name)
    in_link = st.query_params.get(name) if name not in st.session_state else None
    shown = type(own)(in_link) if in_link else own if number.get() is None else number.get()
    if slider.get() != shown:
        slider.set(shown)
    st.select_slider(
        **shared, options=sorted({*STOPS[name], shown}), key=slider.name, on_change=_slide, args=(name,),
        format_func=lambda number: f"{number:g}",
    )  # fmt: skip


def _draw_reset() -> None:
    """Draw the button that gives every setting its default; after that press, the one that takes it back."""
    now = {name: session.setting(name).get() for name in _defaults()}
    before = session.BEFORE_RESET.get()
    if before and now == _defaults():
        label, key, act, values, icon = _("Undo reset"), "undo_reset", put, before, "undo"
    else:
        label, key, act, values, icon = _("Reset"), "reset", _reset, now, "restart_alt"
    st.button(label, key=key, on_click=act, args=(values,), icon=f":material/{icon}:", width="stretch")


def _reset(now: dict[str, Any]) -> None:
    session.BEFORE_RESET.set(now)
    put({}, anew=True)


def _defaults() -> dict[str, Any]:
    """Return the value of every widget that says nothing of its own."""
    defaults = {name: SETTINGS[name].default for name in (*FIRST, *MORE)}
    own = {session.CELLS.name: list(CELLS), session.TEXT.name: next(iter(TEXTS)), session.COLUMNS.name: None}
    return own | defaults


def _slide(name: str) -> None:
    session.setting(name).set(session.setting_slider(name).get())


def build(values: dict, cells: list[str], text: str | None = None) -> Settings:
    """Make one experiment per cell, leaving out what doesn't apply to it; keep what names the text."""
    every, left_out = {}, []
    try:
        for cell in CELLS:
            experiment, labels = for_cell(values, cell)
            every[cell] = with_own_length(experiment)
            if labels and cell in cells:
                verb = "is" if len(labels) == 1 else "are"
                left_out.append(f"The {cell.upper()} has no gates, so {join_words(labels)} {verb} ignored for it.")
    except ValueError as error:
        return Settings({}, text_file=text, error=str(error))
    return Settings({cell: every[cell] for cell in cells}, every, text, " ".join(left_out))


def put(settings: dict, anew: bool = False) -> None:
    """Set widgets to these values, and where all is to start anew the others to their defaults; for callbacks."""
    if anew:
        settings = _defaults() | settings
    for name, value in settings.items():
        session.setting(name).set(value)


def fits(experiment: Experiment) -> bool:
    """Whether the sidebar can show an experiment: a command line allows longer ones."""
    limits = {name: SETTINGS[name].page_high for name in (*FIRST, *MORE)}
    return all((getattr(experiment, name) or 0) <= high for name, high in limits.items() if high)


def take_over(experiment: Experiment) -> None:
    """Set every widget as an experiment says; a file of its own must be uploaded again. For callbacks."""
    settings = {name: value for name, value in experiment.as_dict().items() if name in (*FIRST, *MORE)}
    settings |= {session.CELLS.name: [experiment.cell], session.COLUMNS.name: experiment.columns}
    if experiment.text_file in TEXTS:
        settings[session.TEXT.name] = experiment.text_file
    elif experiment.text_file is None and file_setting(experiment.task) == "text_file":
        settings[session.TEXT.name] = HELP_TEXTS
    put(settings, anew=True)
