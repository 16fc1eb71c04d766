"""What the page Compare is to compare: the sidebar's settings, and the axes and terms that its own controls ask for."""

from dataclasses import replace
from typing import Any

import streamlit as st

from analysis.comparison import Comparison
from analysis.experiment import GATED, SETTINGS, accepted_values, setting_type, validated
from analysis.plan import EQUAL, Plan
from analysis.report.markdown import escape_markdown
from analysis.sources import FILE_SETTINGS, is_npz
from pages.ui import controls, sidebar, sources
from pages.ui.settings import Settings

LENGTHS, RATES = "10, 30, 60", "0.002, 0.005, 0.02"  # offered at first
CHOSEN, SAME = "per cell", "for all"
READ = tuple(name for name in sidebar.EVERYTHING if name != "length")  # of the sidebar
NOT_VARIED = ("cell", "task", "length", *FILE_SETTINGS, "columns", "seeds", "seed", "snapshot_every")
VARIED = {setting.label: name for name, setting in SETTINGS.items() if name not in NOT_VARIED}
NOTHING = "nothing more"
TERMS = {"hidden size": "hidden_size", "parameters": "parameters", "time": "time"}
assert set(TERMS.values()) == set(EQUAL), "every term can be chosen"
KEYS = (  # of the controls
    "lengths", "own_lengths", "equal", "rate", "rates", "vary", "vary_values", "vary_too", "vary_too_values",
)  # fmt: skip


def choose(settings: Settings) -> Plan:
    """Draw the controls and return the plan; where it can't be used, say why and end the page."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        try:
            return Plan(**_draw(settings))
        except ValueError as error:
            problem = str(error)
    st.error(escape_markdown(problem))
    st.stop()


def _draw(settings: Settings) -> dict[str, Any]:
    """Draw the controls; return what they and the sidebar say of a plan. Raises ValueError for what can't be read."""
    base = base_settings(settings)
    fixed = settings.first.task in SETTINGS["length"].fixed
    own = is_npz(settings.first.data_file)  # sequences of some length, whose last steps may be read alone
    first, key = (str(settings.first.length), "own_lengths") if own else (LENGTHS, "lengths")
    lengths = st.text_input(
        "Lengths", first, key=key, bind="query-params", width=130, disabled=fixed,
        help="Numbers of time steps to remember over, with commas between: each cell is trained at each.",
    )  # fmt: skip
    equal = controls.choice(
        "Equal", tuple(TERMS), "equal",
        "What all cells get the same of. Hidden size: the sidebar's. Parameters: hidden sizes with equally many "
        "weights, within 2 %. Time: a faster cell makes more updates.",
    )  # fmt: skip
    rate = controls.choice(
        "Learning rate", (CHOSEN, SAME), "rate",
        "Per cell: the best of several for each, chosen on two seeds that are not counted. For all: the "
        "sidebar's, under More.",
    )  # fmt: skip
    with st.popover("Vary more", icon=":material/tune:", help="Up to two further settings, and the learning rates."):
        rates = st.text_input(
            "Learning rates to choose from", RATES, key="rates", bind="query-params", disabled=rate == SAME,
            help="Two or more, with commas between. Each is tried with each cell, at the middle length.",
        )  # fmt: skip
        axes = [_draw_axis(label, key) for label, key in (("Vary", "vary"), ("And", "vary_too"))]
    if not fixed:
        base["length"] = read_values("length", lengths)
    for name, text in axes:
        if name and text.strip():
            base[name] = read_values(name, text)
    chosen = () if rate == SAME else tuple(read_values("learning_rate", rates))
    if chosen:
        base.pop("learning_rate", None)
    return {"settings": base, "equal": TERMS[equal], "learning_rates": chosen}


def _draw_axis(label: str, key: str) -> tuple[str | None, str]:
    """Ask for a further setting to vary and its values; return its name, None for none, and the values as typed."""
    chosen = st.selectbox(
        label, (NOTHING, *VARIED), key=key, bind="query-params", help="A setting that is tried with several values."
    )
    name = VARIED.get(chosen)
    text = st.text_input(
        "Its values", key=f"{key}_values", bind="query-params", disabled=name is None,
        placeholder=accepted_values(name) if name else "",
        help="With commas between; None stands for unset. Nothing is varied until some are typed.",
    )  # fmt: skip
    return name, text


def base_settings(settings: Settings) -> dict[str, Any]:
    """Return the sidebar's settings that differ from the defaults, with its cells; those of a cell that has all."""
    cells = list(settings.cells)
    most = settings.every[next((cell for cell in cells if cell in GATED), cells[0])]
    named = {name: value for name, value in most.as_dict().items() if value != SETTINGS[name].default}
    return {"task": most.task} | named | {"cell": cells}


def read_values(name: str, text: str) -> list[str | int | float | None]:
    """Read values of a setting that are typed with commas between.

    Raises:
        ValueError: for no value, and for one that the setting doesn't accept; the message names both.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words:
        raise ValueError(f"{SETTINGS[name].label}: expected values with commas between, each {accepted_values(name)}")
    return list(dict.fromkeys(_read_value(name, word) for word in words))


def _read_value(name: str, word: str) -> str | int | float | None:
    type_, optional = setting_type(name)
    if optional and word.lower() in ("none", "unset"):
        return None
    try:
        value: object = type_(word)
    except ValueError:  # no number: refused below, as it was typed
        value = word
    return validated(name, value)


def own_names(plan: Plan) -> dict[str, str]:
    """Return by setting how the visitor names an uploaded file that a plan reads, by which exports name it too."""
    first = plan.experiments()[0]
    named = sources.with_own_name(first)
    return {name: getattr(named, name) for name in FILE_SETTINGS if getattr(named, name) != getattr(first, name)}


def with_files(comparison: Comparison, names: dict[str, str]) -> Comparison:
    """Return a comparison whose files have these names, not those of the server's copies."""
    if not names:
        return comparison
    rows = tuple(replace(row, experiment=row.experiment.replace(**names)) for row in comparison.rows)
    return replace(comparison, plan=renamed(comparison.plan, names), rows=rows)


def renamed(plan: Plan, names: dict[str, str]) -> Plan:
    """Return a plan whose files have these names."""
    return replace(plan, settings=plan.settings | names)
