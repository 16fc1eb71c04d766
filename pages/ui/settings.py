"""What the sidebar is set to. Knows no Streamlit."""

from dataclasses import dataclass

from analysis.experiment import Experiment, for_cell


@dataclass(frozen=True)
class Settings:
    """One experiment per chosen cell, or what is wrong with them."""

    experiments: dict[str, Experiment]
    uploaded_text: str | None = None  # path of the server's copy, whether or not the task reads it
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

    def experiment_of(self, cell: str) -> Experiment:
        """Return a cell's experiment; a cell that isn't chosen gets what applies to it of a chosen one's settings."""
        if cell in self.experiments:
            return self.experiments[cell]
        like = next((each for each in self.experiments.values() if each.cell != "rnn"), self.first)
        return for_cell(like.as_dict(), cell)[0]
