"""CSV traces as they are published: columns, separators, numbers and times; and what is asked for."""

import csv
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mecsim.config.table_file.separators import SIGNS
from mecsim.errors import TraceError
from mecsim.world.traces.formats import HowToRead
from mecsim.world.traces.table_trace import read_csv

ROWS = [(0.0, "a", 1.5, 2.25), (1.0, "a", -3.5, 4.0), (2.5, "b", 10.0, 0.5)]


def read(text, **how):
    return read_csv(text.encode(), "t.csv", HowToRead(**how))


def problems(text, **how):
    with pytest.raises(TraceError) as caught:
        read(text, **how)
    return list(caught.value.problems)


def check(trace, rows=ROWS):
    assert [trace.ids[n] for n in np.repeat(np.arange(trace.user_count), np.diff(trace.first))] == [
        user for _, user, _, _ in rows
    ]
    assert trace.time_s.tolist() == [time_s for time_s, _, _, _ in rows]
    assert trace.place.tolist() == [[x, y] for _, _, x, y in rows]


HEADERS = {
    "time": ["t_s", "Time", "TIMESTAMP", "t", "time_s"],
    "user": ["user_id", "ID", "vehicle_id", "User"],
    "x": ["x_m", "X", "X_m"],
    "y": ["y_m", "Y", "Y_m"],
    "further": ["speed_mps", "heading", "note"],
}


@settings(max_examples=100, deadline=None, derandomize=True)
@given(data=st.data())
def test_any_order_of_names_and_any_separator(data):
    """Mutant: the columns by their place instead of their names."""
    names = {role: data.draw(st.sampled_from(known)) for role, known in HEADERS.items()}
    order = data.draw(st.permutations(list(names)))
    separator = data.draw(st.sampled_from([",", ";", "tab"]))
    comma = separator != "," and data.draw(st.booleans())
    out = io.StringIO()
    writer = csv.writer(out, delimiter=SIGNS[separator])
    writer.writerow(names[role] for role in order)
    for row in ROWS:
        cells = dict(zip(("time", "user", "x", "y"), map(str, row), strict=True)) | {"further": "7"}
        writer.writerow(cells[role].replace(".", "," if comma else ".") for role in order)
    trace = read(out.getvalue())
    check(trace)
    assert f"columns passed over: {names['further']}" in trace.notes
    assert ("decimal = ','" in trace.notes) == comma
    assert (f"separator = '{separator}'" in trace.notes) == (separator != ",")


def test_columns_by_name_and_by_number():
    text = "Timestamp,CellID,when,east,north\n0,a,x,1.5,2.25\n1,a,x,-3.5,4\n2.5,b,x,10,0.5\n"
    asked = (("user", "cellid"), ("x", "east"), ("y", "north"))
    check(read(text, columns=asked))
    numbers = (("time", 1), ("user", 2), ("x", 4), ("y", 5))
    trace = read(text.partition("\n")[2], columns=numbers)
    check(trace)
    assert trace.line.tolist() == [1, 2, 3]
    assert "no header; columns by number" in trace.notes
    (problem, *_) = problems(text, columns=(("user", "CelID"),))
    assert problem == "t.csv:1: columns.user = CelID: there is no such column; did you mean 'CellID'?"
    assert "must be a number from 1 to 5" in problems(text, columns=(*numbers[:3], ("y", 6)))[0]


def test_degrees_by_their_usual_names():
    trace = read("Timestamp,id,Latitude,LNG\n0,a,48,11\n")
    assert trace.geo
    assert trace.place.tolist() == [[11, 48]]


def test_comments_and_lines_without_a_user_are_passed_over():
    trace = read(
        "# made by hand\nt_s,user_id,x_m,y_m\n#\n0,a,1,2\n1,,,\nx,a,1\n".replace("x,a,1\n", "2,a,1,2\n")
    )
    assert trace.line.tolist() == [4, 6]
    assert set(trace.notes) == {
        "2 lines beginning with # passed over",
        "1 line without user and place passed over",
    }


@pytest.mark.parametrize(
    ("times", "how", "gaps_s", "told"),
    [
        (["2008-02-02 15:36:08", "2008-02-02T15:36:18Z"], {}, [10], "date times"),
        (["2008/2/2 15:36:08", "2008/2/3 15:36:08.5"], {}, [86400.5], "date times"),
        (["31/12/2024 23:59:59", "01/01/2025 00:00:01"], {"time_format": "%d/%m/%Y %H:%M:%S"}, [2], "%d/%m"),
        (["00:00:59.5", "1:00:01:00"], {}, [86400.5], "hours:minutes:seconds"),
        (["1500", "2500"], {"time_unit": "ms"}, [1], "times in ms"),
        (["0.5", "1"], {"time_unit": "h"}, [1800], "times in h"),
    ],
)
def test_times(times, how, gaps_s, told):
    trace = read("time,id,x,y\n" + "".join(f"{time},a,1,2\n" for time in times), **how)
    assert np.diff(trace.time_s) == pytest.approx(gaps_s)
    assert any(told in note for note in trace.notes)


def test_a_name_says_milliseconds():
    assert read("t_ms,id,x,y\n0,a,1,2\n1500,a,1,3\n").time_s.tolist() == [0, 1.5]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("time,timestamp,id,x,y\n0,0,a,1,2\n", 'columns = { time = "..." }'),
        ("t_s,user,id,x,y\n0,a,b,1,2\n", 'columns = { user = "..." }'),
        ("t_s;user_id;x_m;y_m\n0;a;1,500;2,500\n", "give decimal = ',' or '.'"),
        ("t_s;user_id;x_m;y_m\n0;a;1,5;2.5\n", "give decimal = ',' or '.'"),
        ("time,id,x,y\n1214600000000,a,1,2\n", "give time_unit, such as 'ms'"),
        ("time,id,x,y\n01/02/2024 10:00:00,a,1,2\n", "time_format, such as '%d/%m/%Y %H:%M:%S'"),
        ("t_s|user_id|x_m|y_m\n0|a|1|2\n", "give the separator"),
        ("t_s,user_id,x_m,y_m,z;t_s;user_id;x_m;y_m\n", "give separator = ',' or ';'"),
    ],
)
def test_what_is_ambiguous_is_asked_for(text, key):
    """Mutant: the first of two columns, or one of two meanings, taken without a word."""
    assert any(key in line for line in problems(text)), problems(text)


def test_the_answer_settles_it():
    text = "t_s;user_id;x_m;y_m\n0;a;1,500;2,500\n"
    assert read(text, decimal=",").place.tolist() == [[1.5, 2.5]]
    assert read("time,timestamp,id,x,y\n0,7,a,1,2\n", columns=(("time", "timestamp"),)).time_s.tolist() == [7]
    assert read("0 a 1 2\n1  a 1 3\n", separator="space",
                columns=(("time", 1), ("user", 2), ("x", 3), ("y", 4))).time_s.tolist() == [0, 1]  # fmt: skip


def test_exact_repetitions_are_passed_over_and_others_are_not():
    trace = read("t_s,user_id,x_m,y_m\n0,a,1,2\n0,a,1,2\n1,a,1,2\n")
    assert trace.time_s.tolist() == [0, 1]
    assert trace.notes == ("1 exact repetition passed over",)
    assert "a sample at this time already" in problems("t_s,user_id,x_m,y_m\n0,a,1,2\n0,a,1,3\n")[0]


def test_output_of_sumo_as_csv():
    text = "timestep_time;vehicle_angle;vehicle_id;vehicle_x;vehicle_y\n0.00;90.00;a;1.50;2.25\n0.50;;;;\n"
    trace = read(text)
    assert trace.place.tolist() == [[1.5, 2.25]]
    assert "1 line without user and place passed over" in trace.notes


@pytest.mark.parametrize(
    ("name", "seconds"), [("t_ms", 1e-3), ("when (us)", 1e-6), ("Time [min]", 60), ("hours", 3600), ("t", 1)]
)
def test_a_unit_in_the_name_of_the_times(name, seconds):
    """Mutant: only milliseconds are known, so that microseconds and minutes are taken for seconds."""
    text = f"{name},user_id,x_m,y_m\n2,a,1,2\n3,a,1,2\n"
    asked = (("time", name),)
    assert read(text, columns=asked).time_s.tolist() == pytest.approx([2 * seconds, 3 * seconds])
    assert read(text, columns=asked, time_unit="s").time_s.tolist() == [2, 3]


def test_nanoseconds_are_refused_by_the_name():
    told = problems("t_ns,user_id,x_m,y_m\n2,a,1,2\n", columns=(("time", "t_ns"),))
    assert told == ["t.csv: t_ns: nanoseconds are not read: write them as 'us', or give their time_unit"]


def test_a_column_has_one_role():
    text = "t_s,user_id,x_m,y_m\n2,a,1,2\n"
    assert problems(text, columns=(("x", "x_m"), ("y", "x_m"))) == [
        "t.csv:1: columns.y = x_m: is columns.x already"
    ]
    numbers = (("time", 1), ("user", 2), ("x", 3), ("y", 3))
    assert problems("2,a,1,2\n", columns=numbers) == ["t.csv:1: columns.y = column 3: is columns.x already"]


def test_no_header_names_the_remedy():
    assert problems("2,a,1,2\n")[-1] == (
        "t.csv:1: has numbers in its first line; if it has no header, give the columns by number, such as "
        "columns = { time = 1, user = 2, x = 3, y = 4 }"
    )
    assert not any("by number" in line for line in problems("time,a,b,c\n"))


def test_remedies_that_help():
    """Mutants: the separator that was given is asked for; digits of a date are called milliseconds only."""
    assert problems("t;id;x;y\n", separator="tab")[-1] == (
        "t.csv:1: has one column only; give the separator, another than 'tab'"
    )
    text = "t,id,x,y\n20240501080000,a,1,2\n20240501080100,a,1,2\n"
    assert problems(text)[0].endswith("too late for seconds: give time_unit, such as 'ms', or time_format")
    assert np.ptp(read(text, time_format="%Y%m%d%H%M%S").time_s) == 60
