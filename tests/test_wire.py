"""Frames between judge and worker: what is not of the dictated form is refused, late or short ones in bounded time."""

import json
import socket
import struct
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inithw.engine import wire
from inithw.engine.wire.plan import WallPlan

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@pytest.fixture
def pair():
    near, far = socket.socketpair()
    with near, far:
        yield near, far


def soon() -> float:
    return time.monotonic() + 0.2


@given(value=st.dictionaries(st.text(), JSON_VALUES))
def test_an_object_arrives_as_it_was_sent(value):
    near, far = socket.socketpair()
    with near, far:
        wire.send_json(near, value)
        assert wire.receive_json(far, 1 << 20, soon()) == value


@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), min_size=1, max_size=4),
    st.integers(0, 2**32 - 1),
)
def test_arrays_arrive_bit_for_bit_whatever_their_values(shapes, seed):
    generator = np.random.default_rng(seed)
    arrays = [generator.integers(0, 2**32, shape, dtype=np.uint32).view(np.float32) for shape in shapes]
    near, far = socket.socketpair()
    with near, far:
        wire.send_floats(near, *arrays)
        received = wire.receive_floats(far, *shapes, deadline=soon())
    for sent, got in zip(arrays, received, strict=True):
        assert sent.tobytes() == got.tobytes()


def test_a_frame_longer_than_the_reader_allows_is_refused_before_it_is_read(pair):
    near, far = pair
    near.sendall(struct.pack(">I", 2**32 - 1))
    with pytest.raises(wire.WireError, match="4294967295 bytes"):
        wire.receive_json(far, 1000, soon())


@pytest.mark.parametrize(
    "body", [b"", b"no json", b"\xff\xfe", b"[" * 100_000, b"1" * 5000, b"[1]", b'"text"', b"null"], ids=repr
)
def test_a_body_that_is_not_an_object_is_refused(pair, body):
    near, far = pair
    near.sendall(struct.pack(">I", len(body)) + body)
    with pytest.raises(wire.WireError):
        wire.receive_json(far, 1 << 20, soon())


@pytest.mark.parametrize("sent", [b"", b"\x00\x00", struct.pack(">I", 10) + b'{"a"'])
def test_an_unfinished_frame_is_late_when_the_sender_waits_and_closed_when_it_is_gone(pair, sent):
    near, far = pair
    near.sendall(sent)
    with pytest.raises(wire.LateError):
        wire.receive_json(far, 100, soon())
    near.close()
    with pytest.raises(wire.ClosedError):
        wire.receive_json(far, 100, soon())


def test_too_few_numbers_are_late_and_more_than_dictated_stay_unread(pair):
    near, far = pair
    wire.send_floats(near, np.zeros(3))
    with pytest.raises(wire.LateError):
        wire.receive_floats(far, (4,), deadline=soon())
    near.sendall(json.dumps({}).encode())
    wire.send_floats(near, np.ones(8))


def test_sending_to_a_closed_worker_says_that_it_is_gone(pair):
    near, far = pair
    far.close()
    with pytest.raises(wire.ClosedError):
        wire.send_floats(near, np.zeros(1 << 16))


def test_sending_to_somebody_who_does_not_read_ends_at_the_deadline(pair):
    near, _far = pair
    with pytest.raises(wire.LateError, match="does not read"):
        wire.send_floats(near, np.zeros(1 << 24, dtype=np.float32), deadline=soon())


def test_a_plan_of_walls_arrives_as_it_was_sent():
    lists = {"hidden": ("/a/c",), "keep": (3,), "required": (("x", "y"),)}
    plan = WallPlan(None, "/scratch", ("/a", "/b"), 1, 2.5, 3, 4, 5, 6, 7, **lists)
    assert WallPlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan
