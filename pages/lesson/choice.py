"""A stop of the lesson."""

from pages.ui import stops

stops.head("choice")
stops.foot("choice", "pages/understand/cell.py", "Inside the cell")
