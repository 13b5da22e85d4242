"""P1 for trace files: any bytes give a trace or a TraceError, at once, and nothing else."""

import gzip
import io
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mecsim.config.table_file.problems import MOST_PROBLEMS
from mecsim.errors import TraceError
from mecsim.world.traces.read import parse_trace

TRACES = Path(__file__).resolve().parents[2] / "scenarios" / "traces"
FORMATS = ("csv", "parquet", "sumo_fcd", "gpx", "bonnmotion", "ns2", "one")


def parquet():
    out = io.BytesIO()
    columns = {"t_s": [0.0, 1, 1], "user_id": ["a", "a", "b"], "lat": [1.0, 1.5, 1], "lon": [2, 2, 2]}
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


SMALL = {
    "bonnmotion": b"0 1 2 5 3 4 9 3 4\n0.5 1 1 9 2 2\n",
    "ns2": b'$node_(0) set X_ 1\n$node_(0) set Y_ 2\n$ns_ at 1.0 "$node_(0) setdest 4 6 5"\n',
    "one": b"0 9 0 9 0 9\n0 a 1 2\n1 a 2 2\n1 b 1 1\n",
    "parquet": parquet(),
    "csv": b"t_s,user_id,lat,lon\n0,a,1,2\n1,a,1.5,2\n1,b,1,2\n",
    "sumo_fcd": b'<fcd-export><timestep time="0"><vehicle id="a" x="1" y="2"/></timestep>'
    b'<timestep time="1"><vehicle id="a" x="2" y="2"/><person id="a" x="2" y="2"/></timestep></fcd-export>',
    "gpx": b'<gpx><trk><trkseg><trkpt lat="1" lon="2"><time>2026-05-09T08:00:00Z</time></trkpt>'
    b'<trkpt lat="1.1" lon="2"><time>2026-05-09T08:00:05Z</time></trkpt></trkseg></trk></gpx>',
}
PIECES = [
    *(b"<", b">", b"/>", b"&amp;", b"&x;", b"<!DOCTYPE a>", b"<![CDATA[", b"]]>", b"<!--", b"<?", b"\x00"),
    *(b"\xff\xfe", b'"', b",", b"\n", b"-1", b"1e999", b"nan", b"NaT", b"0x1", b"9" * 400, b"99999-01-01"),
    *(b"<trkpt>", b"</trkpt>", b"<time/>", b"<timestep>", b"<vehicle/>", b"<person id='a'/>", b"\x1f\x8b"),
]
many = settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)


def check(content, file_format):
    try:
        trace, problems = parse_trace(content, "t", file_format), ()
    except TraceError as error:
        problems = error.problems
    if problems:
        assert len(problems) <= MOST_PROBLEMS + 1
        assert all(line.startswith("t:") and len(line) < 600 and line.isprintable() for line in problems)
        return
    assert np.isfinite(trace.time_s).all()
    assert np.isfinite(trace.place).all()
    user = np.repeat(np.arange(trace.user_count), np.diff(trace.first))
    assert (np.diff(trace.time_s)[np.diff(user) == 0] > 0).all()


@many
@given(content=st.binary(max_size=200), file_format=st.sampled_from(FORMATS))
def test_any_bytes(content, file_format):
    check(content, file_format)
    check(gzip.compress(content), file_format)


@many
@given(data=st.data(), file_format=st.sampled_from(FORMATS))
def test_spoilt_traces(data, file_format):
    content = SMALL[file_format]
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(content)))
        end = data.draw(st.integers(start, min(len(content), start + 30)))
        content = content[:start] + data.draw(st.sampled_from(PIECES) | st.just(b"")) + content[end:]
    check(content, file_format)


@pytest.mark.parametrize("file_format", FORMATS)
def test_the_small_traces_are_good(file_format):
    """The spoilt ones above begin as traces."""
    assert parse_trace(SMALL[file_format], "t", file_format).user_count in (1, 2)


@pytest.mark.parametrize("name", ["park.gpx", "town.fcd.xml.gz"])
def test_a_trace_that_is_cut_off_anywhere_is_an_error(name):
    content = (TRACES / name).read_bytes()
    for share in (0.1, 0.5, 0.9, 0.999):
        with pytest.raises(TraceError):
            parse_trace(content[: int(share * len(content))], "t", "gpx" if "gpx" in name else "sumo_fcd")


def test_deep_and_wide_documents_are_quick():
    """Mutants: a parser that recurses, or one whose time grows with the square of the input."""
    began = time.process_time()
    check(b"<gpx>" + b"<a>" * 100_000, "gpx")
    check(b"<fcd-export>" + b"<timestep time='0'>" * 50_000, "sumo_fcd")
    check(b"<gpx " + b"".join(b'a%d="x" ' % i for i in range(20_000)) + b"/>", "gpx")
    check(b"t_s,user_id,x_m,y_m\n" + b"9" * 1_000_000, "csv")
    check(b"1 " * 300_001, "bonnmotion")
    check(b"0 9 0 9 0 9\n" + b"1 " * 300_000, "one")
    check(b"$node_(0) set X_ " + b" " * 300_000 + b"$ns_ at" * 50_000, "ns2")
    check(b"t_s,user_id,x_m,y_m\n" + b",".join([b"1"] * 200_000), "csv")
    check(b"t_s,user_id,x_m,y_m\n" + b"".join(b"%d,u,1,2\n" % i for i in range(50_000)), "csv")
    assert time.process_time() - began < 5.0


MIB = 1 << 20
ZEROS = gzip.compress(bytes(100 * MIB))
# Packed content that is all a small file may unpack to, at its most harmful.
DENSE = {
    "zeros": (b"\0" * (4 * MIB - 9), "csv"),
    "one field": (b"t_s,user_id,x_m,y_m\n" + b"9" * (4 * MIB - 30), "csv"),
    "nested": (b"<gpx>" + b"<a>" * (MIB - 3), "gpx"),
    "nested steps": (b"<fcd-export>" + b"<a>" * (MIB - 5), "sumo_fcd"),
    "references": (b"<gpx><time>" + b"&amp;" * (MIB // 2), "gpx"),
}


def peak_bytes(content, file_format, told):
    tracemalloc.start()
    try:
        with pytest.raises(TraceError, match=told):
            parse_trace(content, "t", file_format)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("members", [1, 3, 60])
def test_a_bomb_is_refused_before_it_takes_memory(members):
    """0.1, 0.3 and 6 MB that unpack to 0.1, 0.3 and 6 GiB. Mutant: all unpacked, then measured."""
    allowed = f"{100 * members * len(ZEROS) // MIB} MiB from" if members < 60 else "512 MiB"
    assert peak_bytes(ZEROS * members, "csv", f"t: unpacks to more than {allowed}") < 12 * MIB


@pytest.mark.parametrize("what", DENSE)
def test_what_is_just_small_enough_takes_little(what):
    """Mutants: open elements without a bound; a floor of 16 MiB."""
    content, file_format = DENSE[what]
    assert peak_bytes(gzip.compress(content), file_format, r"t:\d: ") < 100e6


def test_a_small_file_may_pack_as_well_as_it_likes():
    """Mutant: a bound on the ratio alone."""
    content = b"t_s,user_id,x_m,y_m\n0,a,1,2\n" + b"\n" * (3 * MIB)
    packed = gzip.compress(content)
    assert len(content) > 500 * len(packed)
    assert parse_trace(packed, "t", "csv").user_count == 1
