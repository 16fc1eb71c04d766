"""A stop of the lesson."""

from pages.ui import stops

stops.head("words")
stops.foot("words", "pages/understand/cell.py", "Inside the cell")
