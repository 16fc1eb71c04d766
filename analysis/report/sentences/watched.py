"""Sentences on a watched training: how large the gradient of a pass was, and from how far back it came."""

from itertools import pairwise
from math import isnan

from analysis.report.wording import format_number, format_percent, join_words
from analysis.results import DISTANCES, Snapshot


def pass_sentence(snapshot: Snapshot) -> str:
    """Describe the gradient of a watched pass by its layer's weights; empty where an older Goldfish watched it."""
    sentences = []
    if not isnan(snapshot.gradient):
        sentences.append(
            f"At pass {snapshot.step}, the layer's gradient had a norm of {format_number(snapshot.gradient)} before "
            "clipping."
        )
    if snapshot.shares:
        furthest = snapshot.decay.distance[-1]
        ranges = [f"{a} to {b - 1}" for a, b in pairwise(DISTANCES)] + [f"{DISTANCES[-1]} on"]
        shares = [
            f"{_share(share)} from {reach}"
            for share, first, reach in zip(snapshot.shares, DISTANCES, ranges, strict=True)
            if first <= furthest
        ]
        shares[0] = shares[0].replace(" from", " comes from") + " time steps back"
        sentences.append(f"Of the gradient from the last time step that the loss reads, {join_words(shares)}.")
    if snapshot.sequences:
        count = f"{snapshot.sequences} sequence{'s' * (snapshot.sequences > 1)}"
        sentences.append(f"The curves are of {count} whose loss reads that time step.")
    return " ".join(sentences)


def _share(share: float) -> str:
    """Write a share; a tiny one, also a negative one, as "less than 0.1 %"."""
    return format_percent(share) if abs(share) >= 0.001 else "less than 0.1 %"
