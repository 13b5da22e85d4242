"""Traces as SUMO FCD and as GPX: hand-made documents, their mistakes, and what must never be opened."""

import gzip
import time
from datetime import UTC, datetime

import pytest

from mecsim.errors import TraceError
from mecsim.world.traces.gpx import read_gpx
from mecsim.world.traces.read import load_trace, parse_trace
from mecsim.world.traces.sumo import read_sumo_fcd

FCD = """<?xml version="1.0" encoding="UTF-8"?>
<!-- generated -->
<fcd-export xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
            xsi:noNamespaceSchemaLocation="http://sumo.dlr.de/xsd/fcd_file.xsd">
    <timestep time="10.00">
        <vehicle id="1" x="5.10" y="-1.60" angle="90.00" type="car" speed="0.00" pos="5" lane="e_0"/>
    </timestep>
    <timestep time="10.50">
        <vehicle id="1" x="6.10" y="-1.60"/>
        <person id="1" x="0" y="7" angle="1" speed="1" pos="1" edge="e" slope="0"/>
        <container id="c" x="0" y="0"/>
    </timestep>
    <timestep time="11.00"/>
</fcd-export>
"""
GPX = """<?xml version="1.0"?>
<gpx version="1.1" creator="x" xmlns="http://www.topografix.com/GPX/1/1">
  <metadata><time>2026-01-01T00:00:00Z</time></metadata>
  <wpt lat="1" lon="2"/>
  <rte><rtept lat="1" lon="2"/></rte>
  <trk><name>Walk</name>
    <trkseg>
      <trkpt lat="48.1" lon="11.5"><ele>510</ele><time>2026-05-09T08:00:00Z</time></trkpt>
      <trkpt lat="48.2" lon="11.6"><time>2026-05-09T10:00:05.250+02:00</time></trkpt>
    </trkseg>
    <trkseg><trkpt lat="48.3" lon="11.7"><time>2026-05-09T08:00:09</time></trkpt></trkseg>
  </trk>
  <trk><trkseg><trkpt lat="47" lon="11"><time>2026-05-09T08:00:00Z</time></trkpt></trkseg></trk>
</gpx>
"""
STARTS = datetime(2026, 5, 9, 8, 0, tzinfo=UTC).timestamp()


def sumo_problems(text, **options):
    with pytest.raises(TraceError) as caught:
        read_sumo_fcd(text.encode(), "t.xml", **({"geo": False} | options))
    return list(caught.value.problems)


def gpx_problems(text):
    with pytest.raises(TraceError) as caught:
        read_gpx(text.encode(), "t.gpx")
    return list(caught.value.problems)


def test_sumo_vehicles_and_persons_are_users():
    trace = read_sumo_fcd(FCD.encode(), "t.xml", geo=False)
    assert trace.ids == ("vehicle 1", "person 1")
    assert trace.time_s.tolist() == [10, 10.5, 10.5]
    assert trace.place.tolist() == [[5.1, -1.6], [6.1, -1.6], [0, 7]]
    assert trace.line.tolist() == [6, 9, 10]


def test_sumo_in_degrees():
    trace = read_sumo_fcd(FCD.encode(), "t.xml", geo=True)
    assert trace.geo
    assert trace.place.tolist()[0] == [5.1, -1.6]  # x is the longitude
    assert sumo_problems(FCD.replace('y="7"', 'y="97"'), geo=True) == [
        "t.xml:10: record 3: longitude 0, latitude 97: must lie from -180 to 180 and from -89 to 89"
    ]


def test_gpx_tracks_are_users_and_segments_go_on():
    trace = read_gpx(GPX.encode(), "t.gpx")
    assert trace.ids == ("track 1 Walk", "track 2")
    assert (trace.time_s - STARTS).tolist() == [0, 5.25, 9, 0]
    assert trace.place.tolist() == [[11.5, 48.1], [11.6, 48.2], [11.7, 48.3], [11, 47]]
    assert trace.geo


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the time zone cannot be set here")
def test_gpx_times_without_a_zone_are_utc(monkeypatch):
    """Mutant: the zone of the machine."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert (read_gpx(GPX.encode(), "t.gpx").time_s - STARTS).tolist() == [0, 5.25, 9, 0]
    finally:
        monkeypatch.undo()
        time.tzset()


def test_prefixes_do_not_matter():
    prefixed = (
        GPX.replace("<", "<g:").replace("<g:/", "</g:").replace("<g:?", "<?").replace("xmlns=", "xmlns:g=")
    )
    assert read_gpx(prefixed.encode(), "t.gpx").ids == ("track 1 Walk", "track 2")


@pytest.mark.parametrize(
    ("edits", "told"),
    [
        ([("fcd-export", "fcd")], ["t.xml:3: <fcd>: must be <fcd-export>"]),
        ([('time="10.50"', 'time="10"')], ["t.xml:8: time = 10: must be after the step before it, 10"]),
        ([('time="10.50"', "")], ["t.xml:8: time: missing, must be a number"]),
        ([("<person", "<persn")], ["t.xml:10: <persn>: unknown element; did you mean 'person'?"]),
        ([("</fcd-export>", "")], ["t.xml:15: not well-formed XML: no element found"]),
        (
            [('x="6.10"', 'x="six"'), ('id="1" x="0"', 'x="0"'), ('y="-1.60" angle', "angle")],
            [
                "t.xml:6: record 1: y: missing, must be a number",
                "t.xml:9: record 2: x = six: must be a finite number",
                "t.xml:10: record 3: id: missing, every person must have one",
            ],
        ),
        (
            [('<person id="1" x="0"', '<vehicle id="1" x="0"')],
            [
                "t.xml:10: record 3: time 10.5 s: user vehicle 1 has a sample at this time already "
                "(10.5 s, line 9)"
            ],
        ),
    ],
    ids=["root", "time goes back", "no time", "element", "cut off", "samples", "twice"],
)
def test_problems_of_a_sumo_trace(edits, told):
    text = FCD
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    assert sumo_problems(text) == told


@pytest.mark.parametrize(
    ("edits", "told"),
    [
        ([("<gpx ", "<kml "), ("</gpx>", "</kml>")], ["t.gpx:2: <kml>: must be <gpx>"]),
        (
            [('lat="48.1"', 'lat="x"'), ('lon="11.6"', ""), ("2026-05-09T08:00:09", "yesterday")],
            [
                "t.gpx:8: record 1: lat = x, must be a finite number",
                "t.gpx:9: record 2: lon: missing, must be a finite number",
                "t.gpx:11: record 3: time = yesterday: must be a date and time such as 2024-05-01T08:00:00Z",
            ],
        ),
        (
            [("<time>", "<t>"), ("</time>", "</t>")],
            [
                "t.gpx: no track point has a time, which a replay needs",
                "t.gpx: holds no sample of any user",
            ],
        ),
        (
            [("08:00:09", "08:00:05")],
            [
                f"t.gpx:11: record 3: time {STARTS + 5:.0f} s: earlier than the sample of user track 1 Walk "
                f"before it ({STARTS + 5.25} s, line 9); times must ascend"
            ],
        ),
        (
            [("<trk>", "<rte>"), ("</trk>", "</rte>"), ("trkseg", "x"), ("trkpt", "rtept")],
            [
                "t.gpx: has no track point (trkpt); routes and waypoints have no times",
                "t.gpx: holds no sample of any user",
            ],
        ),
    ],
    ids=["root", "values", "no time", "time goes back", "no track"],
)
def test_problems_of_a_gpx_trace(edits, told):
    text = GPX
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    assert gpx_problems(text) == told


@pytest.mark.parametrize("text", ["", "  \n", "t_s,user_id\n", "\x00\x01", "<a><b></a>", "<a/><b/>"])
def test_what_is_no_xml(text):
    for told in (sumo_problems(text), gpx_problems(text)):
        assert "is empty" in told[0] or "not well-formed XML" in told[0] or "must be <" in told[0]


BOMBS = {
    "entities of entities": '<!DOCTYPE b [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><{0}>&b;</{0}>',
    "external entity": '<!DOCTYPE b [<!ENTITY a SYSTEM "file:///etc/hostname">]><{0}>&a;</{0}>',
    "external document type": '<!DOCTYPE {0} SYSTEM "http://localhost/x.dtd"><{0}/>',
    "parameter entity": '<!DOCTYPE b [<!ENTITY % a SYSTEM "file:///etc/hostname">%a;]><{0}/>',
    "plain document type": "<!DOCTYPE {0}><{0}/>",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_document_type_is_refused(bomb):
    """Mutant: a parser with its defaults, which expands entities."""
    for told in (
        sumo_problems(BOMBS[bomb].replace("{0}", "fcd-export")),
        gpx_problems(BOMBS[bomb].replace("{0}", "gpx")),
    ):
        assert len(told) == 1
        assert "has a document type (DTD), which is refused" in told[0]


def test_an_unknown_entity_is_an_error():
    assert "not well-formed XML: undefined entity" in gpx_problems("<gpx>&a;</gpx>")[0]


def test_packed_files_are_unpacked(tmp_path):
    path = tmp_path / "town.fcd.xml.gz"
    path.write_bytes(gzip.compress(FCD.encode()))
    assert load_trace(path).ids == ("vehicle 1", "person 1")
    path.write_bytes(gzip.compress(FCD.encode())[:-9])
    with pytest.raises(TraceError, match="not a whole gzip file"):
        load_trace(path)
    path.write_bytes(b"\x1f\x8bnot gzip")
    with pytest.raises(TraceError, match="not a whole gzip file"):
        load_trace(path)


def test_what_is_packed_may_be_as_large_as_any_file(monkeypatch):
    """Mutant: the bound of the packed file for what it unpacks to."""
    monkeypatch.setattr("mecsim.config.table_file.packed.LARGEST_MB", 1)
    with pytest.raises(TraceError, match=r"t\.gpx: unpacks to more than 1 MiB$"):
        parse_trace(gzip.compress(b" " * ((1 << 20) + 1)), "t.gpx", "gpx")
    with pytest.raises(TraceError, match=r"t\.gpx: is empty"):
        parse_trace(gzip.compress(b" " * (1 << 20)), "t.gpx", "gpx")


@pytest.mark.parametrize(("depth", "told"), [(99, "no element found"), (100, "nested more than 100 deep")])
def test_elements_nest_only_so_deep(depth, told):
    with pytest.raises(TraceError, match=told):
        parse_trace(b"<gpx>" + b"<a>" * depth, "t", "gpx")


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(TraceError, match="no file"):
        load_trace(tmp_path / "no file.csv")
    with pytest.raises(TraceError, match="cannot be read: No such file"):
        load_trace(tmp_path / "trace.kml")
    with pytest.raises(TraceError, match="is a folder, must be a regular file"):
        load_trace(tmp_path, "csv")
