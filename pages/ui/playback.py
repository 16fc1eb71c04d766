"""Playing a training's snapshots: the stops of the slider, and what a press, a beat or a move changes.

Knows no Streamlit: `player` draws the buttons and the slider, and calls what stands here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.experiment import Experiment

MOST_STOPS = 200  # of the slider


@dataclass
class Playback:
    """How far one slider's playing is; the step shown is the slider's value, which is passed in and returned.

    A beat moves the slider on by one stop. It must not come before the visitor has seen the step before it.
    """

    playing: bool = False
    seen: bool = False  # whether a step was shown while playing, so that a beat may follow
    page_is_behind: bool = False  # whether the page around the slider is yet to be drawn again after a press or a move
    url_is_behind: bool = False  # whether the URL still holds the step from before the playing

    def press_play(self, stops: Sequence[int], step: int) -> int:
        """Start to play; return the step to start from: the first stop where the slider is at the last."""
        self.playing, self.url_is_behind, self.page_is_behind = True, False, True
        return stops[0] if step == stops[-1] else step

    def press_pause(self) -> None:
        """Stop playing at the step shown."""
        self.playing, self.url_is_behind, self.page_is_behind = False, True, True

    def press_step(self, stops: Sequence[int], step: int, by: int) -> int:
        """Return the stop that is so many places after a step, or before it; at the ends the end itself."""
        self.page_is_behind = True
        return _neighbor(stops, step, by)

    def move(self) -> None:
        """Follow the visitor, who moved the slider."""
        self.page_is_behind = True

    def train(self) -> None:
        """Stop playing, because something trains and the slider shows how far it is."""
        self.playing = False

    def draw_page(self) -> None:
        """Let the visitor see the whole page, which is drawn anew, before the next beat."""
        self.seen = False

    def show(self) -> None:
        """Let a beat follow if it plays: the visitor sees the step now."""
        self.seen = self.playing

    @property
    def is_due(self) -> bool:
        """Whether a beat is due."""
        return self.playing and self.seen

    def beat(self, stops: Sequence[int], step: int) -> int:
        """Return the stop after a step; pause at the last."""
        step = _neighbor(stops, step, 1)
        if step == stops[-1]:
            self.press_pause()
        return step

    def catch_up_page(self) -> bool:
        """Return whether the page was behind; it no longer is."""
        behind, self.page_is_behind = self.page_is_behind, False
        return behind

    def catch_up_url(self) -> bool:
        """Return whether the URL was behind and nothing plays; it no longer is. While it plays, it stays behind."""
        if self.playing:
            return False
        behind, self.url_is_behind = self.url_is_behind, False
        return behind


def stops_of(experiment: Experiment) -> list[int]:
    """Return the steps at which a training takes snapshots, thinned where there are many; the last step is one."""
    taken = range(0, experiment.steps, experiment.snapshot_every)
    every = -(-len(taken) // MOST_STOPS)  # rounded up
    return [*taken[::every], experiment.steps]


def _neighbor(stops: Sequence[int], step: int, by: int) -> int:
    """Return the stop so many places after a step, at the ends the end itself."""
    place = stops.index(step) + by
    return stops[min(max(place, 0), len(stops) - 1)]
