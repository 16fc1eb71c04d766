"""A comparison on a page: the buttons, how far it is, its pictures and its export."""

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

import plotly.graph_objects as go
import streamlit as st

from analysis.comparison import PHASES, Comparison
from analysis.experiment import Experiment
from analysis.figures.bargain import COSTS
from analysis.figures.comparison_report import comparison_pictures, comparison_report, cost_name, horizon_name
from analysis.figures.success import metric, solved_share
from analysis.history.shipped import find_shipped
from analysis.jobs.compare import Comparing
from analysis.jobs.estimate import Forecast, estimate_ends
from analysis.jobs.fairness import counted
from analysis.jobs.grid import to_toml
from analysis.jobs.judgement import judge
from analysis.plan import Plan
from analysis.report.comparison_page import comparison_table
from analysis.report.comparisons import comparison_csv, comparison_document
from analysis.report.documents import to_json
from analysis.report.markdown import escape_markdown
from analysis.report.sentences import comparing as sentences
from pages.ui import compare_plan, controls, export, layout, sources, training
from pages.ui.server import comparisons, jobs

KEPT = 100  # comparisons in the server's memory
LOOK = 2.0  # seconds between two looks at what is trained
NAMES = ("Table", "Cost", "Does the horizon foretell it?", "How it was compared")  # of the tabs
COMMAND = "python -m analysis sweep grid.toml"


def find(plan: Plan) -> Comparing:
    """Return the comparison of a plan, the same one for every visitor."""
    return next((each for each in comparisons() if each.asked == plan), None) or _kept(plan)


@st.cache_resource(max_entries=KEPT, show_spinner=False, hash_funcs={Plan: repr})
def _kept(plan: Plan) -> Comparing:
    return Comparing(jobs(), plan)


def _start(comparing: Comparing) -> None:
    others = [each for each in comparisons() if each.campaign.under_way and each is not comparing]
    comparisons()[:] = [*others, comparing]
    comparing.campaign.start()


def forget_all() -> None:
    """Cancel every comparison of this server, and forget it; the history keeps what was trained."""
    for each in comparisons():
        each.campaign.cancel()
    comparisons.clear()
    _kept.clear()


def draw_row(comparing: Comparing) -> bool:
    """Draw the buttons and how far the comparison is, or what it takes; return whether it is under way."""
    campaign = comparing.campaign
    under_way, cost = campaign.under_way, ""
    with sources.saying_why(comparing.plan.experiments()[0]):
        if not under_way:
            comparing.look()
        missing = [each for each in comparing.expected() if each not in campaign.runs]
        if missing and not under_way:
            cost = _describe_cost(comparing, missing)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Compare", type="primary", key="compare", icon=":material/play_arrow:", on_click=_start, args=(comparing,),
            disabled=under_way or not missing,
        )  # fmt: skip
        st.button("Cancel", key="cancel", icon=":material/stop:", on_click=campaign.cancel, disabled=not under_way)
        with st.container():
            if under_way:
                st.fragment(_show_progress, run_every=training.POLL)(comparing)
            else:
                st.caption(cost or "Compared: every training is done.")
    _mention_others(comparing)
    for problem in {campaign.trouble, *campaign.given_up.values()} - {""}:
        st.error(f"Not trained: {escape_markdown(problem)}.")
    return under_way


def _mention_others(comparing: Comparing) -> None:
    """Say how far other comparisons are, as after a setting was moved, and offer to cancel them."""
    others = [each for each in comparisons() if each is not comparing and each.campaign.under_way]
    for place, each in enumerate(others):
        with st.container(horizontal=True, vertical_alignment="center"):
            every = each.expected()
            done = sum(experiment in each.campaign.runs for experiment in every)
            st.caption(f"Another comparison is under way: {done} of {len(every)} trainings.")
            st.button("Cancel it", key=f"cancel_other_{place}", on_click=each.campaign.cancel, type="tertiary")


def _describe_cost(comparing: Comparing, missing: list[Experiment]) -> str:
    """Say what the comparison takes. Raises what `Forecast` raises."""
    settings, seconds = comparing.plan.experiments(), _seconds_left(comparing, missing)
    tries = len(comparing.expected()) - len(settings)
    return sentences.cost_sentence(
        len(settings), settings[0].seeds, tries, len(settings) + tries - len(missing), seconds
    )


def _seconds_left(comparing: Comparing, missing: list[Experiment]) -> float:
    """Return the seconds until the last of the missing trainings ends; those under way of others train first."""
    rows = comparing.campaign.rows()
    under_way = training.seconds_under_way()
    together = min(len(missing) + len(under_way), os.cpu_count() or 1)
    waiting = [_seconds(each, together) for each in missing if each not in rows]
    return max(estimate_ends([*under_way.values(), *waiting]), default=0.0)


@st.cache_resource(max_entries=2000, show_spinner=False, hash_funcs={Experiment: repr})
def _seconds(experiment: Experiment, together: int) -> float:
    return Forecast(experiment).seconds(together=together)


def _show_progress(comparing: Comparing) -> None:
    """Show how far the trainings are; once the last has ended, run the page again."""
    campaign = comparing.campaign
    if not campaign.under_way:
        st.rerun()
    if campaign.preparing:
        st.progress(0.0, "Measuring how long an update takes, one setting at a time …")
        return
    every, rows = comparing.expected(), campaign.rows()
    missing = [each for each in every if each not in campaign.runs]
    made = sum(row.step for row in rows.values()) + sum(each.steps for each in every if each in campaign.runs)
    line = sentences.progress_line(
        len(every) - len(missing), len(every), len(comparing.pilots()), _seconds_left(comparing, missing)
    )
    st.progress(min(1.0, made / sum(each.steps for each in every)), line)


def preview(plan: Plan) -> Comparison | None:
    """Return what the history and the shipped runs say of a plan with one learning rate for all; None for nothing."""
    if plan.equal == "time":
        return None
    same = Plan(plan.settings, plan.equal)
    ids = tuple(_find_finished(each) for each in counted(same))
    return _judged(same, ids) if any(ids) else None


@st.cache_resource(max_entries=KEPT, show_spinner=False, hash_funcs={Plan: repr})
def _judged(plan: Plan, ids: tuple[str | None, ...]) -> Comparison:
    """Judge a plan by the finished run of each of its settings, None where there is none."""
    runs = [replace(training.load(id), experiment=each) for each, id in zip(counted(plan), ids, strict=True) if id]
    return judge(plan, runs)


def _find_finished(experiment: Experiment) -> str | None:
    row = jobs().find(experiment)
    return row.id if row and row.status == "finished" else find_shipped(experiment)


class View:
    """What the page shows of a comparison, as far as it has got, and what its download holds."""

    def __init__(self, comparing: Comparing, under_way: bool) -> None:
        self.comparing, self.under_way = comparing, under_way

    def show(self) -> None:
        """Say what came out, draw it, and show what it rests on."""
        self.comparison = self.comparing.judge()
        earlier = None if self.comparison.finished else preview(self.comparing.plan)
        self.comparison = earlier or self.comparison
        said = self.comparison.verdicts if self.comparison.finished else ()
        layout.says(escape_markdown(said[0]) if said and not earlier else "")
        if earlier:
            layout.says(escape_markdown(sentences.preview_sentence(earlier)))
        elif not said:
            st.info(sentences.nothing_yet(self.under_way))
        self._show_success()
        st.container(key="points").markdown(_list(said[0 if earlier else 1 :]))
        self._show_details()

    def _show_success(self) -> None:
        """Draw success and metric against length side by side; where nothing counts as solved, the metric alone."""
        drawings = {"metric": (metric, "Metric against length, of each cell")}
        if any(row.solvable for row in self.comparison.rows):
            drawings = {"success": (solved_share, "Share of seeds that solve the task, against length")} | drawings
        for column, (name, (draw, alt)) in zip(st.columns(len(drawings)), drawings.items(), strict=True):
            with column:
                self._chart(name, lambda draw=draw: draw(self.comparison, height=320), alt)
        if self.comparison.finished:
            st.caption(sentences.interval_sentence(self.comparison))

    def _chart(self, name: str, draw: Callable[[], go.Figure], alt: str) -> None:
        """Draw a picture, anew only where more has been trained."""
        trained = [(row.experiment, row.status) for row in self.comparison.rows]
        picture = layout.kept(f"compare {name} {trained} {self.comparing.plan}", draw)
        layout.chart(picture, name, alt, moves=self.under_way)

    def _show_details(self) -> None:
        """Draw the tab that is open."""
        table, cost, horizons, how = st.tabs(NAMES, key="compare_tab", bind="query-params")
        if table.open:
            with table:
                st.dataframe(comparison_table(self.comparison.finished), hide_index=True, alt="Every setting")
        if cost.open:
            with cost:
                self._show_cost()
        if horizons.open:
            with horizons:
                self._show_horizons()
        if how.open:
            with how:
                st.container(key="points-how").markdown(_list(sentences.method_sentences(self.comparison)))

    def _show_cost(self) -> None:
        """Draw the metric against a cost; where its milliseconds are of a busy machine, offer to measure them anew."""
        cost = controls.choice("Metric against", tuple(COSTS), "against", "What a cell costs.")
        name = cost_name(cost)
        self._chart(name, comparison_pictures(self.comparison)[name], "Metric against cost, of each setting")
        if COSTS[cost] == "ms_per_step" and not self.comparison.fairness.measured_alone and not self.under_way:
            st.button(
                "Measure one at a time", key="pace", icon=":material/timer:", on_click=self.comparing.measure,
                help="These milliseconds are of trainings side by side. This takes half a second for each setting.",
            )  # fmt: skip

    def _show_horizons(self) -> None:
        """Draw success against the horizon at start and after training, side by side."""
        pictures = comparison_pictures(self.comparison)
        names = [horizon_name(phase) for phase in PHASES]
        for column, name in zip(st.columns(len(names)), names, strict=True):
            with column:
                self._chart(name, pictures[name], "Success against horizon, of each setting")
        st.caption(sentences.horizon_sentence(self.comparison))

    def draw_export(self) -> None:
        """Offer pictures, table, results, report and grid as one ZIP, as far as the trainings have got by then."""
        names = compare_plan.own_names(self.comparing.plan)  # asked here: a download can't ask the session

        def grid() -> str:
            return to_toml(compare_plan.renamed(self.comparing.plan, names))

        def named() -> Comparison:
            return compare_plan.with_files(self.comparison, names)

        documents = {
            "compare.html": lambda: comparison_report(named(), grid()),
            "comparison.json": lambda: to_json(comparison_document(named())),
            "grid.toml": grid,
        }
        pictures = {name: partial(self._draw, name) for name in comparison_pictures(self.comparison)}
        tables = {"comparison": lambda: comparison_csv(named())}
        export.row("compare", pictures, {}, tables, commands=(COMMAND,), documents=documents)

    def _draw(self, name: str) -> go.Figure:
        return comparison_pictures(self.comparison)[name]()


def _list(sentences: Iterable[str]) -> str:
    """Return a Markdown list of sentences."""
    return "\n".join(f"- {escape_markdown(each)}" for each in sentences)
