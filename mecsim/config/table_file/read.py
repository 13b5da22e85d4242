"""From the content of a file to a table, CSV or Parquet, packed by gzip or not."""

from __future__ import annotations

from mecsim.config.table_file.csv_table import read_csv_table
from mecsim.config.table_file.fields import Fields, Table
from mecsim.config.table_file.packed import unpacked
from mecsim.config.table_file.parquet_bounds import MAGIC
from mecsim.config.table_file.parquet_table import read_parquet_table
from mecsim.config.table_file.problems import Problems
from mecsim.config.table_file.style import TableStyle
from mecsim.errors import UnreadableFile


def read_table(content: bytes, fields: Fields, style: TableStyle, problems: Problems) -> Table:
    """Return the columns of a table that play a role; Parquet is known by its content.

    Records with a problem are left out, and told; the caller raises the problems.

    Raises
    ------
    TraceError
        If the table cannot be read at all, or has as many problems as are told.
    """
    try:
        content = unpacked(content)
    except UnreadableFile as error:
        problems.add(0, str(error))
        problems.raise_any()
    read = read_parquet_table if content.startswith(MAGIC) else read_csv_table
    return read(content, fields, style, problems)
