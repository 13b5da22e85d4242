"""Opening a Parquet file that others wrote: whole, with a footer and columns of limited size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mecsim.config.table_file.parquet_pages import first_page_bytes, unpacked_bytes
from mecsim.errors import UnreadableFile

if TYPE_CHECKING:
    import pyarrow.parquet as pq

MAGIC = b"PAR1"
MOST_FOOTER_BYTES = 4 << 20


def opened(content: bytes, words: Sequence[str] = ()) -> pq.ParquetFile:
    """Return a Parquet file with its footer parsed; a footer of many columns is refused before that.

    Parameters
    ----------
    content : bytes
    words : sequence of str
        Columns that stay numbers into a list of words.

    Raises
    ------
    UnreadableFile
        If it is no whole Parquet file; the message continues the name of the file.
    pyarrow.ArrowException, OSError, ValueError
        What pyarrow raises about its footer.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    footer = int.from_bytes(content[-8:-4], "little")
    if len(content) < 12 or content[-4:] != MAGIC or footer > len(content) - 12:
        raise UnreadableFile("is no whole Parquet file, or is encrypted")
    if footer > MOST_FOOTER_BYTES:
        raise UnreadableFile(f"its footer has {footer} bytes, must have at most {MOST_FOOTER_BYTES}")
    return pq.ParquetFile(pa.BufferReader(content), read_dictionary=list(words))


def held_bytes(file: pq.ParquetFile, content: bytes, places: Sequence[int], words: Sequence[int] = ()) -> int:
    """Return how much memory columns take at least, as their pages say; the metadata may say anything.

    Parameters
    ----------
    file : ParquetFile
    content : bytes
    places : sequence of int
        Columns that are read.
    words : sequence of int
        Those of them that are strings, each of which may be as long as the whole list of words.

    Raises
    ------
    ValueError
        If its pages are not what the format says.
    """
    size = 0
    for group in range(file.metadata.num_row_groups):
        row_group = file.metadata.row_group(group)
        for i in places:
            chunk = row_group.column(i)
            # Its codec is not asked for: where that does not exist, pyarrow ends the process.
            size += max(chunk.total_uncompressed_size, unpacked_bytes(content, chunk))
            if i in words and row_group.num_rows:
                size += row_group.num_rows * first_page_bytes(content, chunk)
    return size
