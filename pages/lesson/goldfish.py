"""A stop of the lesson."""

from pages.ui import stops

stops.head("goldfish")
stops.foot("goldfish", "pages/understand/cell.py", "Inside the cell")
