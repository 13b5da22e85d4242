"""Traces from CSV: what is read, and what a file with mistakes is answered, with line and record."""

import numpy as np
import pytest

from mecsim.config.table_file.problems import MOST_PROBLEMS
from mecsim.errors import TraceError
from mecsim.world.traces.table_trace import read_csv

GOOD = """t_s,user_id,x_m,y_m
0,b,1,2
0.5,a,10,20
1,b,3,4
2.5,a,30,-40
"""


def read(text):
    return read_csv(text if isinstance(text, bytes) else text.encode(), "t.csv")


def problems(text):
    with pytest.raises(TraceError) as caught:
        read(text)
    assert caught.value.source == "t.csv"
    return list(caught.value.problems)


def test_users_come_in_the_order_of_their_first_samples():
    trace = read(GOOD)
    assert trace.ids == ("b", "a")
    assert trace.first.tolist() == [0, 2, 4]
    assert trace.time_s.tolist() == [0, 1, 0.5, 2.5]
    assert trace.place.tolist() == [[1, 2], [3, 4], [10, 20], [30, -40]]
    assert trace.line.tolist() == [2, 4, 3, 5]
    assert not trace.geo
    assert not trace.place.flags.writeable


@pytest.mark.parametrize(
    "text",
    [
        GOOD.replace("\n", "\r\n"),
        "\ufeff" + GOOD,
        GOOD.rstrip("\n"),
        GOOD.replace("\n", "\n\n"),
        "y_m,user_id,t_s,x_m\n2,b,0,1\n20,a,0.5,10\n4,b,1,3\n-40,a,2.5,30\n",
        't_s , user_id,x_m, y_m\n0,"b",1,2\n5e-1, a ,1e1,20\n1,b,3,4\n2.5,a,30,-40\n',
    ],
    ids=["CRLF", "BOM", "no last line end", "blank lines", "columns in another order", "quotes and spaces"],
)
def test_other_spellings_of_the_same_trace(text):
    same, trace = read(GOOD), read(text)
    assert trace.ids == same.ids
    assert np.array_equal(trace.time_s, same.time_s)
    assert np.array_equal(trace.place, same.place)


def test_degrees_are_longitude_and_latitude():
    """Mutant: latitude taken for x."""
    trace = read("t_s,user_id,lat,lon\n0,a,48.5,11.25\n")
    assert trace.geo
    assert trace.place.tolist() == [[11.25, 48.5]]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", ["t.csv: is empty, must begin with a line of column names"]),
        ("\n\n", ["t.csv: is empty, must begin with a line of column names"]),
        ("t_s,user_id,x_m,y_m\n", ["t.csv: holds no sample of any user"]),
        (
            "t_s,usr,x_m,z_m\n0,a,1,2\n",
            [
                "t.csv:1: user_id: this column is missing; must be t_s, user_id, x_m, y_m; did you mean "
                "'usr'?; or name it by columns = { user = \"...\" }",
                "t.csv:1: y_m: this column is missing; must be t_s, user_id, x_m, y_m; or name it by "
                'columns = { y = "..." }',
            ],
        ),
        (
            "t_s,user_id,lat,x_m,speed\n",
            [
                "t.csv:1: lon: this column is missing; must be t_s, user_id, lat, lon; or name it by "
                'columns = { lon = "..." }',
                "t.csv:1: x_m: give either x_m, y_m or lat, lon, not both; choose by columns = "
                '{ lat = "...", lon = "..." } or { x = "...", y = "..." }',
            ],
        ),
        ("t_s,t_s,user_id,x_m,y_m\n", ["t.csv:1: t_s: duplicate column"]),
        (
            "t_s,user_id,x_m,y_m\n0,a,1,2\nx,a,1,2\n2,a,,2\n3,a,1,nan\n4,,1,2\n5,a,1\n6,a,1,2,3\n7,a,inf,1\n",
            [
                "t.csv:3: record 2: t_s = x: must be a finite number",
                "t.csv:4: record 3: x_m = : must be a finite number",
                "t.csv:5: record 4: y_m = nan: must be a finite number",
                "t.csv:6: record 5: user_id: is empty, must be a name or number",
                "t.csv:7: record 6: has 3 values, must have 4",
                "t.csv:8: record 7: has 5 values, must have 4",
                "t.csv:9: record 8: x_m = inf: must be a finite number",
            ],
        ),
        (
            "t_s,user_id,x_m,y_m\n0,a,1,2\n5,a,1,2\n1,b,0,0\n\n3,a,1,2\n3,a,1,3\n1,b,0,1\n",
            [
                "t.csv:6: record 4: time 3 s: earlier than the sample of user a before it (5 s, line 3); "
                "times must ascend",
                "t.csv:7: record 5: time 3 s: user a has a sample at this time already (3 s, line 6)",
                "t.csv:8: record 6: time 1 s: user b has a sample at this time already (1 s, line 4)",
            ],
        ),
        (
            "t_s,user_id,lat,lon\n0,a,91,11\n1,a,48,181\n",
            [
                "t.csv:2: record 1: longitude 11, latitude 91: must lie from -180 to 180 and from -89 to 89",
                "t.csv:3: record 2: longitude 181, latitude 48: must lie from -180 to 180 and from -89 to 89",
            ],
        ),
        (b"t_s,user_id,x_m,y_m\n0,\xff,1,2\n", ["t.csv:2: not UTF-8 text (byte 22)"]),
        ('t_s,user_id,x_m,y_m\n0,"a,1,2\n', ["t.csv:2: not valid CSV: unexpected end of data"]),
    ],
    ids=lambda value: None if isinstance(value, list) else repr(value)[:40],
)
def test_all_problems_at_once(text, told):
    assert problems(text) == told


def test_no_more_problems_than_a_person_reads():
    told = problems("t_s,user_id,x_m,y_m\n" + "x,a,1,2\n" * 1000)
    assert len(told) == MOST_PROBLEMS + 1
    assert told[-1] == f"t.csv: these are the first {MOST_PROBLEMS} problems; there may be more"


def test_messages_are_short_and_cannot_control_a_terminal():
    told = problems(f"t_s,user_id,x_m,y_m\n0,a,\x1b[2J{'9' * 5000}x,1\n")
    assert len(told[0]) < 200
    assert "\x1b" not in told[0]
