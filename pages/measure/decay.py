"""Gradient decay: how far back a cell can be taught, and how far it remembers."""

from analysis import wording
from analysis.figures.decay import decay
from pages.ui import export, layout, measure, sidebar, training

layout.title("How far back can it be taught, and how far does it remember?")
settings = sidebar.settings()
runs, go_on = training.row(settings)
before = {cell: measure.untrained(experiment).decay for cell, experiment in settings.experiments.items()}
after = {cell: run.after for cell, run in runs.items() if run is not None}
figure = decay(before | after, before={cell: before[cell] for cell in after})
layout.chart(figure, "decay")
layout.says(wording.untrained(before))
export.row("decay", {"decay": figure}, settings.experiments, trained=bool(after))
go_on()
