"""The export row: everything on a page as one ZIP, and the command line that makes it again."""

from collections.abc import Mapping

import plotly.graph_objects as go
import streamlit as st

from analysis.config import SETTINGS, Experiment


def row(
    name: str,
    figures: Mapping[str, go.Figure],
    experiments: Mapping[str, Experiment],
    tables: Mapping[str, object] | None = None,
    trained: bool = False,
) -> None:
    """Offer a page's figures, what they draw, and its experiments."""

    def archive() -> bytes:
        from analysis.export import archive

        return archive(name, dict(figures), dict(tables or {}), dict(experiments))

    with st.container(horizontal=True):
        st.download_button(
            "Download", data=archive, file_name=f"goldfish-{name}.zip", mime="application/zip", on_click="ignore",
            icon=":material/download:", key=f"download-{name}", help="Pictures, numbers and settings as a ZIP.",
        )  # fmt: skip
        with st.popover("Command line", icon=":material/terminal:"):
            st.caption("Run in the project's folder, this measures the same again.")
            lines = [command(experiment, "train" if trained else "decay") for experiment in experiments.values()]
            st.code("\n".join(lines), language="bash", wrap_lines=True)


def command(experiment: Experiment, verb: str) -> str:
    """Return the command line of an experiment: its cell, and what differs from the defaults."""
    options = [
        f"--{name.replace('_', '-')} {value}"
        for name, value in experiment.as_dict().items()
        if name == "cell" or value != SETTINGS[name].default
    ]
    return " ".join(["python -m analysis", verb, *options, f"--json {experiment.cell}.json"])
