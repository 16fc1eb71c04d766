"""A stop of the lesson."""

from pages.ui import stops

stops.head("tanh")
stops.foot("tanh", "pages/understand/cell.py", "Inside the cell")
