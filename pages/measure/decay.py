"""Gradient decay: how far back a cell can be taught, and how far it remembers."""

from functools import partial

import plotly.graph_objects as go
import streamlit as st

from analysis.figures.decay import decay, with_memory
from analysis.figures.timeline import timeline
from analysis.measures.decay import at_threshold
from analysis.measures.threshold import horizons_at
from analysis.report import wording
from analysis.report.sentences import decay as sentences
from analysis.report.sentences.progress import progress_sentence
from analysis.report.tables import decay_csv, memory_csv, snapshots_csv
from pages.ui import comparison, controls, export, layout, player, sidebar, training
from pages.ui.untrained import measure_decays, measure_untrained, mention_sizes

layout.title(
    "How far back can it be taught, and how far does it remember?",
    "Above: how much of the gradient comes back to a step. Below: what the trained network still answers about it.",
)
settings = sidebar.settings()
runs, unfinished, say_cost = training.row(settings)
starting = {cell: experiment for cell, experiment in settings.experiments.items() if cell not in runs}
untrained = measure_decays(starting)


def decays(of: str, look: controls.Look) -> dict:
    """Return the decay of each cell that has it, at this page's threshold."""
    found = untrained
    if of not in ("memory", "carry"):  # measured where a tab asks for it
        found = {cell: each.decays for cell, each in measure_untrained(starting).items()}
    found = found | {cell: run.measured_after.decays for cell, run in runs.items()}
    return {cell: at_threshold(found[cell][of], look.threshold) for cell in settings.cells if of in found[cell]}


@st.fragment
def page() -> None:
    """Draw all that stands below the buttons: its controls are answered without the sidebar's being drawn again."""
    look = controls.decay()
    before = {cell: untrained[cell]["memory"] for cell in unfinished} | {cell: run.before for cell, run in runs.items()}
    before = {cell: at_threshold(each, look.threshold) for cell, each in before.items()}
    after = {cell: at_threshold(run.after, look.threshold) for cell, run in runs.items()}
    phases = {cell: "after" if cell in runs else "before" for cell in settings.cells}
    now, drawn = decays("memory", look), {}
    states = wording.name_states(phases)
    live = any(row.live for row in unfinished.values())

    def picture() -> None:
        """Draw the decay and the timeline, at the step that is reached or chosen."""
        under_way = training.progress(unfinished)
        seen = {cell: each for cell, each in under_way.items() if each.snapshots}
        above = st.container()
        reached = max((each.row.step for each in seen.values()), default=None if runs and not unfinished else 0)
        step = player.row("step", settings.any, reached)
        shown = {cell: each.snapshots[-1] for cell, each in seen.items()}
        earlier = reached is None and step < settings.any.steps  # while bullets, lower panel and tabs are of the end
        if earlier:
            shown = {cell: player.snapshot(run, step) for cell, run in runs.items()}
        now.update({cell: at_threshold(each.decay, look.threshold) for cell, each in shown.items()})
        phases.update({cell: f"step {each.step}" for cell, each in shown.items()})
        carry = decays("carry", look) if look.carry and not shown and not unfinished else {}
        drawn["decay"] = with_memory(
            decay(
                now,
                before=before,
                carry=carry,
                states=wording.name_states(phases),
                spread=look.spread,
                relative=look.relative,
                position=look.position,
                full_depth=look.full_depth,
            ),
            {cell: run.memory for cell, run in runs.items()},
            position=look.position,
            trained="after training" if earlier else "",
            untrained="Measured when the training is done" if unfinished else "Train to see what it remembers",
        )
        with above:
            alt = "Gradient left and answers against distance"
            layout.chart(drawn["decay"], "decay", alt, moves=live or player.plays("step"))
            sidebar.say_left_out(settings)
            mention_sizes(starting)
        if not runs and not unfinished:
            layout.says(sentences.untrained_sentence(now))
        said = {cell: sentences.training_sentence(cell, run, before[cell], after[cell]) for cell, run in runs.items()}
        said |= {
            cell: progress_sentence(each.experiment, each.row.status, each.snapshots, each.chance)
            for cell, each in under_way.items()
        }
        lead = "After training:\n\n" if earlier else ""
        lines = [said[cell] for cell in settings.cells if cell in said]
        if others := {cell: now[cell] for cell in starting if said and cell not in said}:
            lines.append(sentences.untrained_sentence(others))
        st.markdown(lead + "\n".join(f"- {line}" for line in lines))
        if runs:
            st.caption(sentences.explain_horizon_and_span(next(iter(runs.values())), look.threshold))
        for cell, alone in carry.items():
            st.caption(sentences.carry_sentence(cell, now[cell], alone, states))
        if runs or seen:

            def through() -> go.Figure:
                """Draw the timeline, which is not always drawn anew."""
                told = {cell: horizons_at(each, look.threshold) for cell, each in (runs | seen).items()}
                return timeline(told, step if reached is None else None)

            of = (look.threshold, *runs, *(each.row.id for each in seen.values()))
            drawn["timeline"] = player.seldom("timeline", of, through) if live else through()
            alt = "Horizon and metric against training step"
            layout.chart(drawn["timeline"], "timeline", alt, moves=live or player.plays("step"))
            metric = next(iter((runs | seen).values())).metric_name
            tested = " In the table below: on test sequences." if runs else ""
            st.caption(f"Drawn here: {metric} on the training batches.{tested}")

    player.moving("step", picture, live)

    with st.container():
        if unfinished:
            cells = wording.join_words([cell.upper() for cell in unfinished])
            st.caption(f"Below: {cells} untrained, until the training is done.")
    if any(phase.startswith("step") for phase in phases.values()):  # of the picture; tabs tell of an end
        states = {cell: "trained" if cell in runs else "untrained" for cell in phases}
    rates = (decays("memory", look), states) if unfinished else (now, wording.name_states(phases))
    opened = details(look, drawn, states, *rates)

    st.subheader("Which cell here?", anchor=False)
    if runs:
        comparison.table(runs, after)
    else:
        when = "When the training is done" if unfinished else "Train, and"
        st.caption(f"{when} this table compares the cells.")

    def curves() -> str:
        """Write what the picture shows."""
        shown = [(settings.experiments[cell], phases[cell], each) for cell, each in now.items()]
        return decay_csv(*shown, *((settings.experiments[cell], "before", each) for cell, each in before.items()))

    def through_training() -> str:
        """Write the runs' snapshots, with horizons of this page's threshold."""
        return snapshots_csv(*(horizons_at(run, look.threshold) for run in runs.values()))

    tables = {"decay": curves} | opened
    if runs:
        tables |= {"memory": partial(memory_csv, *runs.values()), "timeline": through_training}
    export.row("decay", drawn, settings.experiments, tables, trained=runs)


def details(look: controls.Look, drawn: dict, states: dict, shown: dict, shown_states: dict) -> dict:
    """Draw the tabs; the table of rates is of what the picture shows. Return the tables of what is drawn, to write."""
    tables = {}

    def picture(of: str, name: str, alt: str) -> dict:
        """Draw the decays of a kind, and return them."""
        found = decays(of, look)
        drawn[name] = decay(found, **options)
        layout.chart(drawn[name], name, alt)
        ends = [(settings.experiments[cell], "after" if cell in runs else "before", d) for cell, d in found.items()]
        tables[name] = partial(decay_csv, *ends)
        return found

    names = ("Rate and half-life", "What trains the weights", "Hidden, cell, input")
    options = {"states": states, "spread": look.spread, "position": look.position, "height": 360}
    rates, weights, others = st.tabs(names, key="details", bind="query-params")
    if rates.open:
        with rates:
            comparison.rates(shown, shown_states)
    if weights.open:
        with weights:
            updates = picture("weights", "weights", "What each step adds to the update of the recurrent weights")
            st.markdown(sentences.update_sentence(updates, states))
    if others.open:
        with others:
            of = controls.state()
            picture(of, f"gradient-{of}", f"Gradient of the {of} against distance")
    return tables


page()
say_cost()
