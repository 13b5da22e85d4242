"""Files that gzip has packed, unpacked within bounds."""

from __future__ import annotations

import gzip
import io
import zlib

from mecsim.config.input_file import LARGEST_MB
from mecsim.errors import UnreadableFile

# Tables pack 5 to 50 times, nothing but zeros a thousand times; a few MiB do no harm either way.
MOST_PACKED, _ANY_MB = 100, 4
_GZIP = b"\x1f\x8b"
_PIECE_BYTES = 1 << 20


def unpacked(content: bytes) -> bytes:
    """Return what gzip has packed, or a content that is not packed as it is.

    It is looked through first, so that a bomb is refused before it takes memory.

    Raises
    ------
    UnreadableFile
        If it is damaged, or unpacks to too much; the message continues the name of the file.
    """
    if not content.startswith(_GZIP):
        return content
    most = min(LARGEST_MB << 20, max(_ANY_MB << 20, MOST_PACKED * len(content)))
    size = 0
    try:
        with gzip.open(io.BytesIO(content)) as packed:
            while size <= most and (piece := packed.read(_PIECE_BYTES)):
                size += len(piece)
        if size <= most:
            return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableFile(f"not a whole gzip file: {error}") from None
    packed_well = "" if most == LARGEST_MB << 20 else f" from {len(content)} bytes"
    raise UnreadableFile(f"unpacks to more than {most >> 20} MiB{packed_well}")
