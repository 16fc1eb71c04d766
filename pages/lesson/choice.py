"""A stop of the lesson: the cells compared on one task, by the runs that are there."""

from pages.ui import choice as ui
from pages.ui import stops

stops.head("choice")
group = ui.choose(ui.groups())
if runs := ui.load(group):
    ui.show(group, runs)
ui.sum_up()
stops.foot(
    "choice", "pages/measure/compare.py", "Compare", more=lambda: ui.show_links(group),
    **ui.compare_settings(group.first),
)  # fmt: skip
