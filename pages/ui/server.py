"""What a server has once for all visitors: its workers with the history, comparisons under way, uploaded files."""

import streamlit as st

from analysis.jobs.compare import Comparing
from analysis.jobs.pool import Jobs
from analysis.sources import own_file
from pages.ui.uploads import Uploads


@st.cache_resource(show_spinner=False, on_release=Jobs.close)
def jobs() -> Jobs:
    """Return the server's workers and its history; they start at the first call."""
    return Jobs()


@st.cache_resource(show_spinner=False)
def comparisons() -> list[Comparing]:
    """Return the server's list of the comparisons that are under way, and some that have ended."""
    return []


@st.cache_resource(show_spinner=False)
def uploads() -> Uploads:
    """Return the server's folder for uploaded files."""
    return Uploads(_needed_files)


def _needed_files() -> set[str]:
    """Return the files that unfinished runs learn from, and comparisons under way, whose runs may yet begin."""
    experiments = [row.experiment for row in jobs().rows() if row.status != "finished"]
    experiments += [each.plan.experiments()[0] for each in comparisons() if each.campaign.under_way]
    return {file for experiment in experiments if (file := own_file(experiment))}
