"""A stop of the lesson."""

from pages.ui import stops

stops.head("gru")
stops.foot("gru", "pages/understand/cell.py", "Inside the cell")
