"""A stop of the lesson."""

from pages.ui import stops

stops.head("loop")
stops.foot("loop", "pages/understand/cell.py", "Inside the cell")
