"""The colours of the report, as people who see fewer of them and grey printers see them."""

import itertools
import json
import re
from importlib.resources import files

import numpy as np
import pytest
import seaborn

from mecsim.analysis.style import DASHES, MARKERS, PHASE_FILLS, SERVER_COLOURS, palette, policy_style

# Machado, Oliveira and Fernandes (2009), severity 1, for linear RGB.
SEEN = {
    "all cones": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]]
    ),
}
GREY = np.tile([0.2126, 0.7152, 0.0722], (3, 1))
XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]]
)
WHITE = XYZ.sum(axis=1)
LEAST = 10.0
DATA_JS = (files("mecsim.analysis.report") / "assets" / "data.js").read_text("utf-8")


def policy_colours():
    return [policy_style(place).html_colour for place in range(10)]


def listed(name):
    return json.loads(re.search(rf"^const {name} = (\[.*?\]);$", DATA_JS, flags=re.MULTILINE).group(1))


def lab(colour, seen):
    """Return CIE L*a*b* under D65 of a colour like ``#0173b2``."""
    coded = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    xyz = XYZ @ np.clip(seen @ linear, 0, 1) / WHITE
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def nearest_two(colours, seen, pairs=None):
    pairs = pairs or itertools.combinations(range(len(colours)), 2)
    return min(float(np.linalg.norm(lab(colours[i], seen) - lab(colours[j], seen))) for i, j in pairs)


def test_the_distance_is_that_of_the_books():
    assert lab("#ffffff", np.eye(3)) == pytest.approx([100, 0, 0], abs=0.01)
    assert lab("#ff0000", np.eye(3)) == pytest.approx([53.24, 80.09, 67.20], abs=0.02)
    # Machado's matrices leave grey as it is; who lacks a cone takes this red and this green for one.
    assert nearest_two(["#808080", "#808080"], SEEN["protanopia"]) == 0
    assert (
        nearest_two(["#a06000", "#4f7a00"], SEEN["deuteranopia"])
        < LEAST
        < nearest_two(["#a06000", "#4f7a00"], np.eye(3))
    )


@pytest.mark.parametrize("seen", SEEN)
def test_no_two_policies_servers_phases_or_energies_look_alike(seen):
    """Mutant: a palette with a red and a green of one lightness."""
    for colours in (
        policy_colours(),
        SERVER_COLOURS,
        listed("PHASE_COLOURS"),
        [colour for colour, _ in PHASE_FILLS],
    ):
        assert nearest_two(colours, SEEN[seen]) > LEAST


def test_in_grey_they_differ_in_lightness_or_in_dash_marker_shape_or_pattern():
    """Mutants: five dashes for ten policies; a stall in the grey of the uplink."""
    policies = policy_colours()
    for looks in (len(DASHES), len(MARKERS), len(listed("SHAPES"))):
        same = [(i, j) for i, j in itertools.combinations(range(len(policies)), 2) if (j - i) % looks == 0]
        assert nearest_two(policies, GREY, same) > LEAST
    assert len(set(DASHES)) == len(DASHES)
    assert len(set(MARKERS)) == len(MARKERS)
    assert nearest_two(listed("PHASE_COLOURS"), GREY) > LEAST
    assert nearest_two([colour for colour, _ in PHASE_FILLS], GREY) > LEAST


def test_the_colours_are_those_of_seaborn():
    """Mutant: two digits of a colour exchanged."""
    theirs = seaborn.color_palette("colorblind")
    assert palette() == (*theirs[:8], theirs[9], theirs[8])


def test_no_server_looks_like_a_policy():
    """Mutant: one palette for both, as a blue server next to the name of a blue policy."""
    pairs = itertools.product(SERVER_COLOURS, policy_colours())
    assert min(nearest_two(pair, SEEN["all cones"]) for pair in pairs) > LEAST


def test_every_shape_of_a_server_is_drawn():
    drawn = (files("mecsim.analysis.report") / "assets" / "map.js").read_text("utf-8")
    assert [shape for shape in listed("SHAPES") if not re.search(rf"\b{shape}\b", drawn)] == []
