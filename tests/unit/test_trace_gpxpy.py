"""GPX traces against gpxpy, an independent reader: the shipped walk and random documents."""

from pathlib import Path

import numpy as np
import pytest

from mecsim.scenario.projection import projected
from mecsim.world.traces.read import load_trace, parse_trace

gpxpy = pytest.importorskip("gpxpy", reason="gpxpy is not installed (it is in the extra 'test')")

PARK = Path(__file__).resolve().parents[2] / "scenarios" / "traces" / "park.gpx"


def theirs(text):
    """Times, and longitudes and latitudes, of each track as gpxpy reads them."""
    tracks = []
    for track in gpxpy.parse(text).tracks:
        points = [point for segment in track.segments for point in segment.points]
        tracks.append(
            (
                np.array([point.time.timestamp() for point in points]),
                np.array([(point.longitude, point.latitude) for point in points]),
            )
        )
    return tracks


def check(trace, tracks):
    assert trace.user_count == len(tracks)
    for n, (time_s, place) in enumerate(tracks):
        part = slice(trace.first[n], trace.first[n + 1])
        np.testing.assert_allclose(trace.time_s[part], time_s, rtol=0, atol=1e-6)
        np.testing.assert_allclose(trace.place[part], place, rtol=0, atol=1e-12)


def test_the_shipped_walk():
    check(load_trace(PARK), theirs(PARK.read_text("utf-8")))


def random_gpx(seed):
    """Some tracks of some segments, with times in several spellings and elements in between."""
    rng = np.random.default_rng(seed)
    from gpxpy.gpx import GPX, GPXTrack, GPXTrackPoint, GPXTrackSegment

    document, base = GPX(), np.datetime64("2026-03-01T00:00:00")
    for _ in range(rng.integers(1, 4)):
        track = GPXTrack(name="a & <b>" if rng.random() < 0.5 else None)
        time_ms = int(rng.integers(0, 10_000))
        for _ in range(rng.integers(1, 3)):
            segment = GPXTrackSegment()
            for _ in range(rng.integers(1, 6)):
                time_ms += int(rng.integers(1, 20_000))
                time = (base + np.timedelta64(time_ms, "ms")).item()
                lat, lon = rng.uniform(-80, 80), rng.uniform(-179, 179)
                segment.points.append(GPXTrackPoint(lat, lon, elevation=1.5, time=time))
            track.segments.append(segment)
        document.tracks.append(track)
    return document.to_xml()


@pytest.mark.parametrize("seed", range(12))
def test_random_documents(seed):
    text = random_gpx(seed)
    check(parse_trace(text.encode(), "r.gpx", "gpx"), theirs(text))


def test_the_comparison_rejects_swapped_degrees():
    text = random_gpx(1)
    tracks = [(time_s, place[:, ::-1]) for time_s, place in theirs(text)]
    with pytest.raises(AssertionError):
        check(parse_trace(text.encode(), "r.gpx", "gpx"), tracks)


def test_distances_of_the_projection_are_those_of_gpxpy():
    """Its sphere of 6378 km against the ellipsoid: 0.6 % at most. Mutant: no cosine of the latitude."""
    trace = load_trace(PARK)
    place_m = projected(trace.place)
    for i, j in ((0, 40), (10, 100), (5, 120)):
        (lon, lat), (other_lon, other_lat) = trace.place[i], trace.place[j]
        expected_m = gpxpy.geo.haversine_distance(lat, lon, other_lat, other_lon)
        assert np.hypot(*(place_m[i] - place_m[j])) == pytest.approx(expected_m, rel=6e-3)
        flat_m = np.hypot(*(trace.place[i] - trace.place[j])) * 111_195.0
        assert flat_m != pytest.approx(expected_m, rel=6e-3)
