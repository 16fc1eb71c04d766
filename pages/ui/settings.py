"""What the sidebar is set to. Knows no Streamlit."""

from dataclasses import dataclass, field

from analysis.experiment import TEXTS, Experiment

HELP_TEXTS = "python help"  # the name that a page and its links give to the help texts of Python
TEXT_CHOICES = (*TEXTS, HELP_TEXTS)


@dataclass(frozen=True)
class Settings:
    """One experiment per chosen cell, and one per cell whether or not it is chosen; or what is wrong with them."""

    experiments: dict[str, Experiment]
    every: dict[str, Experiment] = field(default_factory=dict)
    text_file: str | None = None  # what a task that reads a text reads, whether or not the task is one
    left_out: str = ""  # one line: what doesn't apply to a cell
    error: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        """Return the chosen cells."""
        return tuple(self.experiments)

    @property
    def first(self) -> Experiment:
        """Return the first cell's experiment: for what all cells have in common."""
        return next(iter(self.experiments.values()))
