"""Colours: that all can be told apart, and seen on both of Streamlit's backgrounds."""

from itertools import combinations

import numpy as np
import pytest

from analysis.figures import style

LIGHT, DARK = "#FFFFFF", "#191919"


def linear(colour):
    """Return a colour's red, green and blue as intensities of light, 0 to 1."""
    values = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def contrast(one, other):
    """Return the contrast of two colours, 1 to 21, as the Web Content Accessibility Guidelines define it."""
    dark, light = sorted(float(linear(colour) @ [0.2126, 0.7152, 0.0722]) for colour in (one, other))
    return (light + 0.05) / (dark + 0.05)


def lab(colour):
    """Return a colour in CIELAB, in which distances are about as large as they look."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = np.cbrt(to_xyz @ linear(colour) / [0.9505, 1, 1.089])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("gate", style.GATE_COLOURS)
def test_a_gate_is_seen_on_light_and_on_dark(gate):
    assert min(contrast(style.GATE_COLOURS[gate], background) for background in (LIGHT, DARK)) >= 3


def test_no_two_of_cells_and_gates_look_alike():
    colours = {**style.COLOURS, **style.GATE_COLOURS}
    assert len(colours) == 9
    for one, other in combinations(colours, 2):
        assert np.linalg.norm(lab(colours[one]) - lab(colours[other])) > 25, (one, other)
