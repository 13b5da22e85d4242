"""The sizes of the pages in a column of a Parquet file, as the pages themselves say.

The metadata at the end of a file may promise little where its pages unpack to gigabytes. A page header is
a Thrift struct in the compact protocol: fields 1, 2 and 3 are the kind of page, its size unpacked and packed.

References
----------
https://github.com/apache/parquet-format, ``parquet.thrift``; Thrift's ``thrift-compact-protocol.md``.
"""

from __future__ import annotations

from typing import Any

_MOST_DEEP = 16
_DICTIONARY = 2
_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)


class _Header:
    """Reads one page header from a place in a file on; raises ValueError or IndexError if it is none."""

    def __init__(self, content: bytes, at: int) -> None:
        self._content, self.at = content, at
        self.sizes: dict[int, int] = {}
        self._struct(0)

    def _struct(self, depth: int) -> None:
        if depth > _MOST_DEEP:
            raise ValueError("a page header is nested too deeply")
        number = 0
        while (first := self._byte()) != 0:
            number = number + (first >> 4) if first >> 4 else self._integer()
            kind = first & 15
            if depth == 0 and kind == _I32 and number <= 3:
                self.sizes[number] = self._integer()
            else:
                self._skip(kind, depth)

    def _skip(self, kind: int, depth: int) -> None:
        if kind in (_TRUE, _FALSE):
            return
        if kind in (_I16, _I32, _I64):
            self._unsigned()
        elif kind == _BYTE:
            self.at += 1
        elif kind == _DOUBLE:
            self.at += 8
        elif kind == _BINARY:
            length = self._unsigned()
            self.at += length
        elif kind == _STRUCT:
            self._struct(depth + 1)
        else:
            raise ValueError("a page header has a list or map")

    def _byte(self) -> int:
        self.at += 1
        return self._content[self.at - 1]

    def _unsigned(self) -> int:
        value = shift = 0
        while shift < 70:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
        raise ValueError("a number in a page header does not end")

    def _integer(self) -> int:
        value = self._unsigned()
        return (value >> 1) ^ -(value & 1)


def unpacked_bytes(content: bytes, chunk: Any) -> int:
    """Return the sum of the unpacked sizes of all pages of a column chunk.

    Raises
    ------
    ValueError
        If its pages are not what the format says.
    """
    at = _start(chunk)
    end, total = at + chunk.total_compressed_size, 0
    while at < end:
        header = _header(content, at)
        packed = header.sizes.get(3, -1)
        if packed < 0 or header.sizes.get(2, -1) < 0 or header.at + packed > end:
            raise ValueError("the pages of a column do not fit its size")
        total += header.sizes[2]
        at = header.at + packed
    return total


def first_page_bytes(content: bytes, chunk: Any) -> int:
    """Return the unpacked size of the dictionary of a column chunk; 0 if it has none."""
    if chunk.total_compressed_size <= 0:
        return 0
    sizes = _header(content, _start(chunk)).sizes
    return sizes.get(2, 0) if sizes.get(1) == _DICTIONARY else 0


def _header(content: bytes, at: int) -> _Header:
    try:
        return _Header(content, at)
    except IndexError:
        raise ValueError("a page lies outside of the file") from None


def _start(chunk: Any) -> int:
    # A column without rows has a dictionary and no data, whose offset is then 0.
    offsets = [chunk.data_page_offset, *([chunk.dictionary_page_offset] if chunk.has_dictionary_page else [])]
    return min((int(offset) for offset in offsets if offset > 0), default=0)
