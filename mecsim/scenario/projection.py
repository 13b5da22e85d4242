"""Degrees to metres on a plane that touches the ground at an origin.

    x = N(lat0) cos(lat0) (lon - lon0),   y = M(lat0) (lat - lat0)

with M and N the radii of curvature of the WGS 84 ellipsoid along and across the meridian. Within 10 km of
the origin and up to 60 degrees of latitude distances are right to 0.3 %, most of it because meridians
come closer to the pole; within 1 km to 0.03 %.

References
----------
Snyder (1987), "Map projections: a working manual", USGS professional paper 1395, equations 4-18 to 4-20.
"""

from __future__ import annotations

import numpy as np

from mecsim.system.arrays import Floats

SEMI_MAJOR_AXIS_M = 6_378_137.0
ECCENTRICITY_SQUARED = 6.69437999014e-3


def metres_per_degree(latitude_deg: float) -> Floats:
    """Return how long a degree of longitude and one of latitude are at a latitude, (2,), in m."""
    sine = np.sin(np.radians(latitude_deg))
    bulge = 1.0 - ECCENTRICITY_SQUARED * sine**2
    across = SEMI_MAJOR_AXIS_M / np.sqrt(bulge)
    along = across * (1.0 - ECCENTRICITY_SQUARED) / bulge
    metres: Floats = np.radians(np.array([across * np.cos(np.radians(latitude_deg)), along]))
    return metres


def projected(place_deg: Floats, origin_deg: tuple[float, float] | None = None) -> Floats:
    """Return positions (S, 2) in m.

    Parameters
    ----------
    place_deg : (S, 2) float
        Longitudes and latitudes; a map across the 180th meridian is not made whole.
    origin_deg : pair of float, optional
        Latitude and longitude of (0, 0); the south-west corner of all places if left out.
    """
    corner = place_deg.min(axis=0) if origin_deg is None else np.array(origin_deg[::-1])
    metres: Floats = (place_deg - corner) * metres_per_degree(float(corner[1]))
    return metres
