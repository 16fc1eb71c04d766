"""Sentences on why a gradient fades: by how much each step, what that leaves of an update, which directions survive."""

from collections.abc import Mapping

import numpy as np

from analysis.experiment import Experiment
from analysis.reasons import ROUNDING, GradientMatrix, SingularValues, Spectrum, StepFactors, UpdateShares
from analysis.report.wording import (
    cell_with_state,
    format_number,
    format_percent,
    format_steps,
    join_words,
)
from analysis.results import THRESHOLD

FAR = 10  # time steps back, or the whole sequence where that is shorter
NONE_COMES_BACK = "truncation’s last window is a single time step, from which no gradient comes back"
CUT_DIRECTIONS = (
    "Directions end where truncation cuts the gradient; exponents are of what the network does, which isn’t cut."
)
States = Mapping[str, str]  # by cell: untrained or trained, where cells differ


def matrix_sentence(found: Mapping[str, GradientMatrix], states: States | None = None) -> str:
    """Say by what each time step multiplies the gradient on average, what many of them leave, and what all do."""
    if found and all(not matrix.left[1:].any() for matrix in found.values()):
        return "No gradient comes back, not even by one time step."
    far = max(_reach(matrix) for matrix in found.values())
    left = {cell: float(matrix.left[far]) for cell, matrix in found.items() if far}
    known = {cell: share for cell, share in left.items() if np.isfinite(share) and share > 0}
    if not known:
        return ""
    names = {cell: f"in the {cell_with_state(cell, states or {})}" for cell in known}
    kept = [f"×{format_number(share ** (1 / far))} {names[cell]}" for cell, share in known.items()]
    over = f"over {far} steps on average by" if far > 1 else "one step back by"
    return (
        f"On its way back the gradient is multiplied at every time step: {over} {join_words(kept)}. "
        f"That leaves {_shares(list(known.values()))}{_at_the_end([found[cell] for cell in known], far)}."
    )


def _at_the_end(found: list[GradientMatrix], far: int) -> str:
    """Say what is left at the furthest distance, where that is further and something is: ", after 29 steps 1 %"."""
    ends = {len(matrix.left) - 1 for matrix in found}
    last = [float(matrix.left[-1]) for matrix in found]
    if len(ends) > 1 or max(ends) <= far or not all(np.isfinite(share) and share > 0 for share in last):
        return ""
    return f"; after {max(ends)} steps {_shares(last)}"


def _shares(left: list[float]) -> str:
    """Join what is left: "6.77 % and ×6.19", the latter of a gradient that grew."""
    return join_words([format_percent(share) if share < 1 else f"×{format_number(share)}" for share in left])


def _reach(matrix: GradientMatrix) -> int:
    """Return the furthest distance, FAR at most, at which anything is left."""
    return int(np.flatnonzero(matrix.left[: FAR + 1] > 0).max(initial=0))


def updates_sentence(found: Mapping[str, UpdateShares], states: States | None = None) -> str:
    """Say from how many of the last time steps half of the update comes, with the range over seeds."""
    parts: list[str] = []
    for cell, update in found.items():
        if count := update.median_half:
            low, high = int(np.nanmin(update.half)), int(np.nanmax(update.half))
            seeds = f" (seeds: {low} to {high})" if low < high else ""
            last = ("time step" if count == 1 else format_steps(count)) if not parts else "one" if count == 1 else count
            parts.append(f"the last {last} in the {cell_with_state(cell, states or {})}{seeds}")
    return f"Half of the update of the recurrent weights comes from {join_words(parts)}." if parts else ""


def exponents_sentence(found: Mapping[str, Spectrum], states: States | None = None) -> str:
    """Say how fast the direction fades that fades least, with its range over seeds, and how many directions grow."""
    parts = []
    for cell, spectrum in found.items():
        median = spectrum.median
        if not np.isnan(median[0]):
            grow = int((median > ROUNDING).sum())
            more = f", {grow} of {len(median)} grow" if grow else ""
            low, high = (format_number(np.exp(end(spectrum.exponents[:, 0]))) for end in (np.nanmin, np.nanmax))
            seeds = f" ({low}–{high})" if low != high else ""
            kept = f"×{format_number(np.exp(median[0]))}{seeds}"
            parts.append(f"{kept} in the {cell_with_state(cell, states or {})}{more}")
    if not parts:
        return ""
    return f"The direction that fades least keeps, each time step, {'; '.join(parts)}."


def directions_sentence(cell: str, found: SingularValues, states: States | None = None) -> str:
    """Say how many directions keep a hundredth of a gradient at the largest distance, or when the last fell below."""
    if found.cut == 1:
        return f"{cell_with_state(cell, states or {})}: no direction survives: {NONE_COMES_BACK}."
    last, H = found.values[-1], found.values.shape[1]
    if not np.isfinite(last).all():
        return ""
    name, share = cell_with_state(cell, states or {}), format_percent(THRESHOLD)
    if alive := int((last >= THRESHOLD).sum()):
        back, keep = format_steps(float(found.distance[-1])), "keeps" if alive == 1 else "keep"
        end = "; further back truncation leaves nothing" if found.distance[-1] + 1 == found.cut else ""
        return f"{name}: {back} back, {alive} of {H} directions still {keep} {share} or more{end}."
    gone = float(found.distance[int(np.argmax((found.values < THRESHOLD).all(axis=1)))])
    none = "its only direction keeps less than" if H == 1 else f"none of {H} directions keeps"
    return f"{name}: {format_steps(gone)} back, {none} {share}{' any more' * (H > 1)}."


def left_out_of_spectrum(experiment: Experiment, exponents: Spectrum, values: SingularValues) -> str:
    """Say of what a large model's spectrum was measured, if not of all: "the 139 largest of 512 exponents"."""
    models, count = exponents.exponents.shape
    whole = experiment.hidden_size * experiment.layers * (2 if experiment.cell == "lstm" else 1)
    steps = int(values.distance[-1]) + 1
    said = [
        f"the {count} largest of {whole} exponents" * (count < whole),
        f"{models} of {experiment.seeds} seeds" * (models < experiment.seeds),
        f"singular values over the last {steps} time steps" * (steps < (values.cut or experiment.task_length)),
    ]
    return ", ".join(filter(None, said))


def factors_sentence(cell: str, found: StepFactors, states: States | None = None) -> str:
    """Say at which time step most is lost and to what, and what gates and weights make of the gradient in all."""
    if found.lost is None:
        why = NONE_COMES_BACK if found.cut == 1 else "it is zero, or leaves the finite range"
        return f"{cell_with_state(cell, states or {})}: no gradient can be measured: {why}."
    there = np.isfinite(found.whole) & (found.whole > 0)
    average = [float(np.exp(np.log(part[there]).mean())) for part in (found.whole, found.gates, found.weights)]
    worst = [float(part[found.lost]) for part in (found.whole, found.gates, found.weights)]
    step, split = found.step[found.lost], _split(worst, found.through)
    least = f"Most is lost at time step {step}, which leaves {split}."
    if not found.loses:
        least = f"None is lost; time step {step} leaves least, {split}."
    said = (
        f"{cell_with_state(cell, states or {})}: in this sequence a time step leaves {_split(average, found.through)} "
        f"on average. {least}"
    )
    nothing = "Nothing that can be measured comes back" if found.cut is None else "Truncation lets nothing come back"
    return said + f" {nothing} beyond time step {found.furthest}." * (found.furthest > 0)


def _split(parts: list[float], through: str) -> str:
    """Return a factor and its two parts: "×0.5 (forget gate ×0.4, recurrent weights ×1.25)"."""
    whole, gates, weights = map(format_number, parts)
    return f"×{whole} ({through} ×{gates}, recurrent weights ×{weights})"
