"""Frames between the judge and a worker: capped JSON and raw float32 of a length that the reader dictates.

Nothing here evaluates, imports or unpickles what it reads, and no read is longer than the reader allows.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LENGTH = struct.Struct(">I")
_CHUNK = 1 << 20


class WireError(Exception):
    """The other side closed the connection, was late, or sent something that is not a frame."""


class LateError(WireError):
    """The other side did not answer in time."""


class ClosedError(WireError):
    """The other side is gone."""


def send_json(connection: socket.socket, value: dict[str, Any], deadline: float | None = None) -> None:
    """Send one object.

    Args:
        connection: A stream socket.
        value: What JSON can say.
        deadline: `time.monotonic()` after which to give up; None waits for ever.

    Raises:
        WireError: The other side does not read in time, or is gone.
    """
    body = json.dumps(value).encode()
    _send(connection, _LENGTH.pack(len(body)) + body, deadline)


def send_floats(connection: socket.socket, *arrays: NDArray[Any], deadline: float | None = None) -> None:
    """Send arrays as little-endian float32, one after the other, without lengths.

    Raises:
        WireError: The other side does not read in time, or is gone.
    """
    for array in arrays:
        _send(connection, np.ascontiguousarray(array, dtype="<f4").tobytes(), deadline)


def receive_json(connection: socket.socket, limit: int, deadline: float | None = None) -> dict[str, Any]:
    """Receive one object of at most `limit` bytes.

    Args:
        connection: A stream socket.
        limit: Largest body in bytes.
        deadline: `time.monotonic()` after which to give up; None waits for ever.

    Raises:
        WireError: It is late, closed, too long, or not a JSON object.
    """
    (length,) = _LENGTH.unpack(_receive(connection, _LENGTH.size, deadline))
    if length > limit:
        raise WireError(f"a frame of {length} bytes, where at most {limit} were expected")
    try:
        value = json.loads(_receive(connection, length, deadline))
    except (ValueError, RecursionError) as error:
        raise WireError("a frame that is not JSON") from error
    if not isinstance(value, dict):
        raise WireError("a frame that is not an object")
    return value


def receive_floats(
    connection: socket.socket, *shapes: tuple[int, ...], deadline: float | None = None
) -> list[NDArray[np.float32]]:
    """Receive one float32 array for each shape; the values may be anything, NaN included.

    Raises:
        WireError: It is late or closed.
    """
    arrays = []
    for shape in shapes:
        count = int(np.prod(shape))
        body = _receive(connection, 4 * count, deadline)
        arrays.append(np.frombuffer(body, dtype="<f4").reshape(shape).astype(np.float32))
    return arrays


def _send(connection: socket.socket, data: bytes, deadline: float | None) -> None:
    """Send all of `data`, as far as a deadline allows."""
    rest = memoryview(data)
    try:
        if deadline is None:
            connection.sendall(rest)
            return
        while rest:
            _wait(connection, select.POLLOUT, deadline, "the other side does not read")
            rest = rest[connection.send(rest, socket.MSG_DONTWAIT) :]
    except BlockingIOError:
        raise LateError("the other side does not read") from None
    except OSError as error:
        raise ClosedError("the other side is gone") from error


def _receive(connection: socket.socket, count: int, deadline: float | None) -> bytes:
    data = bytearray()
    while len(data) < count:
        if deadline is not None:
            _wait(connection, select.POLLIN, deadline, "no answer in time")
        try:
            chunk = connection.recv(min(_CHUNK, count - len(data)))
        except OSError as error:
            raise ClosedError("the other side is gone") from error
        if not chunk:
            raise ClosedError("the other side closed the connection")
        data += chunk
    return bytes(data)


def _wait(connection: socket.socket, event: int, deadline: float, late: str) -> None:
    """Wait until the connection can be read or written; `poll`, for `select` knows descriptors below 1024 only."""
    remaining = deadline - time.monotonic()
    poll = select.poll()
    poll.register(connection, event)
    if remaining <= 0 or not poll.poll(1000 * remaining):
        raise LateError(late)
