"""What the page of gradient decay shows: the decays at the step that is reached or chosen, their sentences, details."""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from analysis.figures.decay import decay, with_memory
from analysis.figures.timeline import timeline
from analysis.history.entry import Progress
from analysis.measures.decay import at_threshold
from analysis.measures.threshold import horizons_at
from analysis.report import wording
from analysis.report.reasons import predictions_csv
from analysis.report.sentences import decay as sentences
from analysis.report.sentences.progress import progress_sentence
from analysis.report.sentences.training import (
    compare_cells,
    explain_horizon_and_span,
    failure_mark,
    training_sentence,
)
from analysis.report.tables import decay_csv, memory_csv, snapshots_csv
from analysis.results import Decay, Snapshot
from pages.ui import comparison, controls, layout, player, sidebar, training
from pages.ui.settings import Settings
from pages.ui.untrained import measure_untrained, mention_sizes, predict_decays

DETAILS = ("Rate and half-life", "What trains the weights", "Hidden, cell, input")
NO_VERDICT = "Which cell does best is said here once all are trained."
Tables = dict[str, Callable[[], str]]


class DecayView:
    """The decays of the chosen cells, at one threshold.

    `decays`, `phases` and `pictures` are those drawn last: while something trains or plays, the upper part of the page
    is drawn again and again, and a download takes the latest.
    """

    def __init__(
        self,
        settings: Settings,
        trainings: training.TrainingRow,
        untrained: Mapping[str, Mapping[str, Decay]],
        look: controls.Look,
    ) -> None:
        self.experiments, self.experiment, self.look = settings.experiments, settings.first, look
        self.settings, self.untrained = settings, untrained
        self.runs, self.unfinished = runs, unfinished = trainings.runs, trainings.unfinished
        self.starting = {cell: each for cell, each in self.experiments.items() if cell not in runs}
        self.is_live = any(row.live for row in unfinished.values())
        self.is_begun = bool(runs or unfinished)  # from then on the page has all its parts: nothing moves when it ends
        self.before = {
            cell: at_threshold(measured, look.threshold)
            for cell, measured in {
                **{cell: untrained[cell]["memory"] for cell in unfinished},
                **{cell: run.before for cell, run in runs.items()},
            }.items()
        }
        self.after = {cell: at_threshold(run.after, look.threshold) for cell, run in runs.items()}
        self.decays = self.at_the_end("memory")
        self.phases = {cell: "after" if cell in runs else "before" for cell in self.experiments}
        self.states = wording.name_states(self.phases)  # of what is trained or not, whatever step is shown
        self.pictures: dict[str, go.Figure] = {}
        self.predictions = predict_decays(settings.experiments) if look.theory else {}
        self.subject = f"{self.experiments} {[*runs]} {look}"  # what the figures of an end show

    def at_the_end(self, of: str) -> dict[str, Decay]:
        """Return the decay of each cell that has it: after its training, or untrained."""
        measured = self.untrained
        if of not in ("memory", "carry"):  # measured only where a tab asks for it
            measured = {cell: untrained.decays for cell, untrained in measure_untrained(self.starting).items()}
        measured = {**measured, **{cell: run.measured_after.decays for cell, run in self.runs.items()}}
        threshold = self.look.threshold
        return {cell: at_threshold(measured[cell][of], threshold) for cell in self.experiments if of in measured[cell]}

    def show_moment(self) -> None:
        """Draw sentences, decay and timeline at the step that the training has reached, or that is chosen."""
        progress = training.progress(self.unfinished)
        seen = {cell: run for cell, run in progress.items() if run.snapshots}
        nothing_trains = self.runs and not self.unfinished
        reached = max((run.row.step for run in seen.values()), default=None if nothing_trains else 0)
        with st.container(key="verdict"):
            self.show_verdict()
        lines = st.container()
        step = player.draw_row("step", self.experiment, reached) if self.is_begun else reached or 0
        snapshots = {cell: run.snapshots[-1] for cell, run in seen.items()}
        earlier = reached is None and step < self.experiment.steps  # the lines and the lower panel are of the end
        if earlier:
            snapshots = {cell: player.snapshot(run, step) for cell, run in self.runs.items()}
        self.decays |= {cell: at_threshold(taken.decay, self.look.threshold) for cell, taken in snapshots.items()}
        self.phases |= {cell: f"update {taken.step}" for cell, taken in snapshots.items()}
        with lines:
            self.show_lines(progress, earlier)
        carry = self.show_picture(snapshots, earlier)
        if self.runs or seen:
            self.show_timeline(seen, step if reached is None else None)
        if carry:
            decays, states = self.decays, self.states
            said = [sentences.carry_sentence(cell, decays[cell], alone, states) for cell, alone in carry.items()]
            st.caption("  \n".join(said))

    def show_picture(self, snapshots: Mapping[str, Snapshot], earlier: bool) -> dict[str, Decay]:
        """Draw the decays over what trained networks answer; return the carry's, empty where it is not drawn."""
        carry = self.at_the_end("carry") if self.look.carry and not snapshots and not self.unfinished else {}

        def draw() -> go.Figure:
            curves = self.draw_curves(carry, {} if earlier else self.answers(snapshots))
            if not self.is_begun:
                return curves
            memories = {cell: run.memory for cell, run in self.runs.items()}
            return with_memory(
                curves, memories, position=self.look.position, trained="after training" if earlier else ""
            )

        at_an_end = not snapshots and not self.unfinished
        self.pictures["decay"] = layout.kept(f"decay {self.subject}", draw) if at_an_end else draw()
        alt = "Gradient left against distance" + (", and answers" if self.is_begun else "")
        layout.chart(self.pictures["decay"], "decay", alt, moves=self.moves)
        sidebar.say_left_out(self.settings)
        mention_sizes(self.starting)
        return carry

    def draw_curves(self, carry: Mapping[str, Decay], answers: Mapping[str, str]) -> go.Figure:
        """Return the figure of the decays alone."""
        return decay(
            self.decays,
            before=self.before,
            carry=carry,
            states=wording.name_states(self.phases),
            spread=self.look.spread,
            relative=self.look.relative,
            position=self.look.position,
            full_depth=self.look.full_depth,
            answers=answers,
            predictions=self.predictions,
        )

    def answers(self, snapshots: Mapping[str, Snapshot]) -> dict[str, str]:
        """Return by cell what it answers, where that was measured: "accuracy 1", or "mostly wrong (0.303)"."""
        metrics = {cell: taken.metric for cell, taken in snapshots.items()}
        metrics |= {cell: run.metric for cell, run in self.runs.items()}
        _chance, name = training.guessing(self.experiment) if metrics else (0.0, "")
        marks = {cell: failure_mark(run).removeprefix(", ") for cell, run in self.runs.items()}
        medians = {
            cell: wording.format_number(np.nanmedian(metric))
            for cell, metric in metrics.items()
            if np.isfinite(metric).any()
        }
        return {cell: f"{mark} ({at})" if (mark := marks.get(cell)) else f"{name} {at}" for cell, at in medians.items()}

    @property
    def moves(self) -> bool:
        """Whether the pictures change by themselves."""
        return self.is_live or player.is_playing("step")

    def show_verdict(self) -> None:
        """Say in large letters which cell did best, or untrained how far back each can learn from."""
        if not self.is_begun:
            layout.says(sentences.untrained_sentence(self.decays))
        elif len(self.runs) == len(self.experiments):
            layout.says(compare_cells(self.runs))
        elif len(self.experiments) > 1:
            layout.says(NO_VERDICT)

    def show_lines(self, progress: Mapping[str, Progress], earlier: bool) -> None:
        """Write a line for each cell: what it learned, or how far its training is."""
        by_cell = {
            cell: training_sentence(cell, run, self.before[cell], self.after[cell]) for cell, run in self.runs.items()
        }
        by_cell |= {
            cell: progress_sentence(run.experiment, run.row.status, run.snapshots, run.chance, run.metric_name)
            for cell, run in progress.items()
        }
        lines = [by_cell[cell] for cell in self.experiments if cell in by_cell]
        if others := {cell: self.decays[cell] for cell in self.starting if by_cell and cell not in by_cell}:
            lines.append(sentences.untrained_sentence(others))
        st.markdown(layout.lines(lines, " trained" if earlier else ""))

    def show_timeline(self, seen: Mapping[str, Progress], step: int | None) -> None:
        """Draw horizon and metric by training step, with the chosen step marked; while something trains, seldom."""
        through = {**self.runs, **seen}

        def draw() -> go.Figure:
            return timeline({cell: horizons_at(run, self.look.threshold) for cell, run in through.items()}, step)

        if self.is_live:
            shown = (self.look.threshold, *self.runs, *(run.row.id for run in seen.values()))
            self.pictures["timeline"] = player.held_picture("timeline", shown, draw)
        else:
            self.pictures["timeline"] = layout.kept(
                f"timeline {self.subject} {[(cell, run.row.step) for cell, run in seen.items()]} {step}", draw
            )
        layout.chart(self.pictures["timeline"], "timeline", "Horizon and metric against update", moves=self.moves)
        metric = next(iter(through.values())).metric_name
        tested = " In the table below: on test sequences." if self.runs else ""
        st.caption(f"Drawn here: {metric} on the training batches.{tested}")
        if self.runs:
            run = next(iter(self.runs.values()))
            st.caption(explain_horizon_and_span(run, self.look.threshold))

    def mention_unfinished(self) -> None:
        """Tell which cells stand below as untrained until their training is done."""
        if self.unfinished:
            cells = wording.join_cells(list(self.unfinished))
            st.caption(f"Below: {cells} untrained, until the training is done.")

    def show_details(self) -> Tables:
        """Draw the tab that is open; return the tables of what is drawn, to be written when they are asked for."""
        states = self.states
        if any(phase.startswith("update") for phase in self.phases.values()):  # the tabs show an end, not that update
            states = {cell: "trained" if cell in self.runs else "untrained" for cell in self.phases}
        tables: Tables = {}
        rates, weights, others = st.tabs(DETAILS, key="details", bind="query-params")
        if rates.open:
            with rates:
                if self.unfinished:
                    comparison.rates(self.at_the_end("memory"), states, self.predictions)
                else:
                    comparison.rates(self.decays, wording.name_states(self.phases), self.predictions)
        if weights.open:
            with weights:
                alt = "What each time step adds to the update of the recurrent weights"
                updates = self.show_decays_of("weights", "weights", alt, states, tables)
                st.markdown(sentences.update_sentence(updates, states))
        if others.open:
            with others:
                of = controls.state()
                self.show_decays_of(of, f"gradient-{of}", f"Gradient of the {of} against distance", states, tables)
        return tables

    def show_decays_of(
        self, of: str, name: str, alt: str, states: Mapping[str, str], tables: Tables
    ) -> dict[str, Decay]:
        """Draw the decays of another gradient under a name, add their table, and return them."""
        decays = self.at_the_end(of)
        self.pictures[name] = layout.kept(
            f"{name} {self.subject}",
            lambda: decay(decays, states=states, spread=self.look.spread, position=self.look.position, height=360),
        )
        layout.chart(self.pictures[name], name, alt)
        curves = [
            (self.experiments[cell], "after" if cell in self.runs else "before", curve)
            for cell, curve in decays.items()
        ]
        tables[name] = partial(decay_csv, *curves)
        return decays

    def show_comparison(self) -> None:
        """Compare the trained cells in a table."""
        if self.runs:
            st.subheader("Which cell here?", anchor=False)
            comparison.table(self.runs, self.after)

    def tables(self) -> Tables:
        """Return the tables of the upper part, with horizons at this threshold, to be written when asked for."""
        tables: Tables = {"decay": self._write_curves}
        if self.predictions:
            tables["theory"] = partial(predictions_csv, self.predictions)
        if self.runs:
            tables |= {"memory": partial(memory_csv, *self.runs.values()), "timeline": self._write_snapshots}
        return tables

    def _write_curves(self) -> str:
        drawn = [(self.experiments[cell], self.phases[cell], curve) for cell, curve in self.decays.items()]
        return decay_csv(*drawn, *((self.experiments[cell], "before", curve) for cell, curve in self.before.items()))

    def _write_snapshots(self) -> str:
        return snapshots_csv(*(horizons_at(run, self.look.threshold) for run in self.runs.values()))
