"""A stop of the lesson."""

from pages.ui import stops

stops.head("lstm")
stops.foot("lstm", "pages/understand/cell.py", "Inside the cell")
