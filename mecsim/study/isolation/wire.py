"""Messages between the processes of a call: bytes with their length in front, on a socket."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator
from typing import Any

_LENGTH = struct.Struct("<Q")
MOST_BYTES = 1 << 30
_CHUNK = 1 << 20


class Closed(Exception):
    """The other end is closed."""


class Garbled(Exception):
    """What came is no message."""


def send(to: socket.socket, content: bytes) -> None:
    """Send a message; raise OSError if nobody can receive it."""
    to.sendall(_LENGTH.pack(len(content)) + content)


def send_json(to: socket.socket, value: Any) -> None:
    """Send a value that JSON knows; numbers keep every bit, also NaN and infinity."""
    send(to, json.dumps(value).encode("ascii"))


def receive(source: socket.socket) -> bytes:
    """Wait for the next message; raise Closed if there is none."""
    length = _LENGTH.unpack(_exactly(source, _LENGTH.size))[0]
    if length > MOST_BYTES:
        raise Garbled(f"a message of {length} bytes")
    return _exactly(source, length)


def receive_json(source: socket.socket) -> Any:
    """Wait for the next message, and return its value."""
    return json.loads(receive(source))


class Messages:
    """Takes bytes as they come, and yields the messages that are complete."""

    def __init__(self) -> None:
        self._held = bytearray()

    @property
    def partial(self) -> bool:
        """Whether the beginning of a message has come, and not its end."""
        return bool(self._held)

    def take(self, content: bytes) -> Iterator[bytes]:
        """Yield the messages that these bytes complete; raise Garbled if they cannot be any."""
        self._held += content
        while len(self._held) >= _LENGTH.size:
            length = _LENGTH.unpack_from(self._held)[0]
            if length > MOST_BYTES:
                raise Garbled(f"a message of {length} bytes")
            end = _LENGTH.size + length
            if len(self._held) < end:
                return
            message = bytes(self._held[_LENGTH.size : end])
            del self._held[:end]
            yield message


def _exactly(source: socket.socket, length: int) -> bytes:
    parts = []
    while length:
        part = source.recv(min(length, _CHUNK))
        if not part:
            raise Closed
        parts.append(part)
        length -= len(part)
    return b"".join(parts)
