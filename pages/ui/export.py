"""The export row: everything on a page as one ZIP, and the command line that makes it again."""

from collections.abc import Callable, Container, Mapping, Sequence

import plotly.graph_objects as go
import streamlit as st

from analysis.experiment import Experiment
from analysis.language import translate as _
from analysis.report.commands import repeat_command
from analysis.report.export import REPEATS, archive
from pages.ui.sources import with_own_name


def row(
    name: str,
    figures: Mapping[str, go.Figure | Callable[[], go.Figure]],
    experiments: Mapping[str, Experiment],
    tables: Mapping[str, str | Callable[[], str]] | None = None,
    trained: Container[str] = (),
    commands: Sequence[str] | None = None,
    documents: Mapping[str, Callable[[], str]] | None = None,
) -> None:
    """Offer a page's figures, the tables of what they draw as CSV (each, or a function that makes it), its experiments.

    The commands are those of the experiments where no others are given: for those in `trained`, that train.
    `documents` are functions by file name that write further files.
    """
    shown = {key: with_own_name(experiment) for key, experiment in experiments.items()}
    if commands is None:
        commands = [repeat_command(each, "train" if key in trained else "decay") for key, each in shown.items()]

    def packed() -> bytes:
        written = {key: text() if callable(text) else text for key, text in (tables or {}).items()}
        drawn = {key: figure() if callable(figure) else figure for key, figure in figures.items()}
        further = {file: text() for file, text in (documents or {}).items()}
        return archive(name, drawn, written, list(shown.values()), commands, documents=further)

    with st.container(horizontal=True):
        st.download_button(
            _("Download"), data=packed, file_name=f"goldfish-{name}.zip", mime="application/zip", on_click="ignore",
            icon=":material/download:", key=f"download-{name}",
            help=_("Pictures, numbers and settings as a ZIP. Drawing the pictures takes some seconds."),
        )  # fmt: skip
        if commands:
            with st.popover(_("Command line"), icon=":material/terminal:"):
                st.caption(_("Run in the project's folder, this {repeats}").format(repeats=_(REPEATS)))
                st.code("\n".join(commands), language="bash", wrap_lines=True)
