"""Traces as tables, CSV or Parquet: one record a sample, with columns for time, user and place."""

from __future__ import annotations

from mecsim.config.table_file.csv_table import read_csv_table
from mecsim.config.table_file.fields import Fields, Table
from mecsim.config.table_file.parquet_table import read_parquet_table
from mecsim.config.table_file.problems import Problems
from mecsim.world.traces.formats import HowToRead
from mecsim.world.traces.trace import Samples, Trace

# The first name of each role is the one that mecsim writes; it precedes all others.
TRACE = Fields(
    names={
        "time": ("t_s", "time_s", "time", "timestamp", "t", "datetime", "date_time", "t_ms", "time_ms",
                 "timestamp_s", "timestamp_ms", "timestep_time"),
        "user": ("user_id", "user", "userid", "id", "vehicle_id", "vehicleid", "person_id", "node_id", "node",
                 "device_id", "track_id", "taxi_id"),
        "x": ("x_m", "x", "vehicle_x", "person_x", "pos_x", "x_pos"),
        "y": ("y_m", "y", "vehicle_y", "person_y", "pos_y", "y_pos"),
        "lat": ("lat", "latitude", "lat_deg"),
        "lon": ("lon", "lng", "long", "longitude", "lon_deg"),
    },
    choices=(("time", "user", "x", "y"), ("time", "user", "lat", "lon")),
    texts=frozenset({"user"}),
)  # fmt: skip


def read_csv(content: bytes, source: str, how: HowToRead | None = None) -> Trace:
    """Return the trace in a CSV text; columns may stand in any order, and further ones are passed over.

    Parameters
    ----------
    content : bytes
        UTF-8, with one header line, or none if the columns are given by number.
    source : str
        What messages call it.
    how : HowToRead, optional
        Columns, separator, decimal sign and times, where they are given.

    Raises
    ------
    TraceError
        Lists the first problems, each with line and record; also what is ambiguous, with the key to say it.
    """
    problems, how = Problems(source), how or HowToRead()
    return _trace(read_csv_table(content, TRACE, how.style, problems), problems)


def read_parquet(content: bytes, source: str, how: HowToRead | None = None) -> Trace:
    """Return the trace in a Parquet file, as :func:`read_csv`; its lines are the rows, from 1."""
    problems, how = Problems(source), how or HowToRead()
    return _trace(read_parquet_table(content, TRACE, how.style, problems), problems)


def _trace(table: Table, problems: Problems) -> Trace:
    geo = "lat" in table.roles
    samples = Samples(problems, geo=geo)
    x, y = (table.numbers[role] for role in (("lon", "lat") if geo else ("x", "y")))
    samples.extend(*table.texts["user"], table.numbers["time"], x, y, table.line, table.record)
    samples.notes += table.notes
    del table, x, y  # of a large file, before there is another copy
    return samples.trace()
