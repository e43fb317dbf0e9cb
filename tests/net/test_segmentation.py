"""Which datagrams leave together, and what is remembered of refusals."""

import errno
import itertools
import socket
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.net.segmentation import (
    BATCH_BYTES,
    REFUSAL_AGE,
    REFUSALS_MAX,
    SEGMENTS_MAX,
    Refusals,
    batch_end,
    can_segment,
    join_arrivals,
)
from core.values import Address
from tests.net.fakes import A, B


def sizes_of_batches(sizes: list[int]) -> list[list[int]]:
    datagrams = [bytes(size) for size in sizes]
    batches, start = [], 0
    while start < len(datagrams):
        end = batch_end(datagrams, start)
        batches.append(sizes[start:end])
        start = end
    return batches


@pytest.mark.parametrize(
    ("sizes", "batches"),
    [
        ([5], [[5]]),
        ([5, 5, 5], [[5, 5, 5]]),
        ([5, 5, 3, 5, 5], [[5, 5, 3], [5, 5]]),
        ([5, 3, 3], [[5, 3], [3]]),
        ([3, 5, 5], [[3], [5, 5]]),
        ([5, 5, 6], [[5, 5], [6]]),
        ([5, 0, 5], [[5], [0], [5]]),
        ([0, 0], [[0], [0]]),
        ([0, 5], [[0], [5]]),
        ([5, 5, 0], [[5, 5], [0]]),
        ([1] * 130, [[1] * 64, [1] * 64, [1] * 2]),
        ([1402] * 47, [[1402] * 46, [1402]]),
        ([1402] * 45 + [10], [[1402] * 45 + [10]]),
        ([32753, 32753], [[32753, 32753]]),
        ([32754, 32754], [[32754], [32754]]),
        ([40000, 10], [[40000], [10]]),
        ([65507, 65507], [[65507], [65507]]),
        ([70000, 5], [[70000], [5]]),
    ],
)
def test_equal_sizes_leave_together_and_a_shorter_one_ends_a_batch(sizes: list[int], batches: list[list[int]]) -> None:
    assert sizes_of_batches(sizes) == batches


@given(st.lists(st.sampled_from([0, 1, 2, 20, 1402, 1402, 1402, 30000, 65507]), max_size=200))
def test_no_batch_is_more_than_the_kernel_can_cut_back(sizes: list[int]) -> None:
    batches = sizes_of_batches(sizes)
    assert list(itertools.chain(*batches)) == sizes
    for batch in batches:
        assert len(batch) <= SEGMENTS_MAX
        assert len(batch) == 1 or sum(batch) <= BATCH_BYTES
        assert len(batch) == 1 or (set(batch[:-1]) == {batch[0]} and 0 < batch[-1] <= batch[0])


def test_nothing_is_refused_at_first() -> None:
    refusals = Refusals()
    assert not refusals
    assert not refusals.stops(A, 1402, 0.0)


@pytest.mark.parametrize("number", [errno.ENOPROTOOPT, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_socket_that_cannot_is_never_asked_again(number: int) -> None:
    refusals = Refusals()
    refusals.note(number, A, 1402, 0.0)
    assert refusals
    assert refusals.stops(A, 1, 0.0)
    assert refusals.stops(B, 1, REFUSAL_AGE * 9)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EMSGSIZE])
def test_a_path_is_not_asked_for_such_long_segments_until_its_mtu_may_have_changed(number: int) -> None:
    refusals = Refusals()
    refusals.note(number, A, 1402, 50.0)
    assert refusals
    assert refusals.stops(A, 1402, 51.0)
    assert refusals.stops(A, 1403, 51.0)
    assert not refusals.stops(A, 1401, 51.0)
    assert not refusals.stops(B, 1402, 51.0)
    assert refusals.stops(A, 1402, 49.9 + REFUSAL_AGE)
    assert not refusals.stops(A, 1402, 50.0 + REFUSAL_AGE)
    assert not refusals
    refusals.note(number, A, 1402, 900.0)
    refusals.note(number, A, 1000, 901.0)
    assert refusals.stops(A, 1000, 902.0)


def test_a_path_without_checksums_in_its_card_refuses_every_size() -> None:
    refusals = Refusals()
    refusals.note(errno.EIO, A, 1402, 0.0)
    assert refusals.stops(A, 2, 1.0)
    assert not refusals.stops(B, 2, 1.0)


@pytest.mark.parametrize("number", [errno.ENETUNREACH, errno.EPERM, errno.ENOBUFS, errno.ECONNREFUSED, None])
def test_errors_that_say_nothing_about_segmentation_are_not_remembered(number: int | None) -> None:
    refusals = Refusals()
    refusals.note(number, A, 1402, 0.0)
    assert not refusals


def test_the_table_is_bounded_and_forgets_the_oldest() -> None:
    refusals = Refusals()
    paths = [Address("192.0.2.1", port) for port in range(1, REFUSALS_MAX + 2)]
    for path in paths[:-1]:
        refusals.note(errno.EINVAL, path, 1402, 0.0)
    refusals.note(errno.EINVAL, paths[0], 1402, 1.0)  # again: now the newest
    refusals.note(errno.EINVAL, paths[-1], 1402, 2.0)
    assert len(refusals) == REFUSALS_MAX
    assert [path for path in paths if not refusals.stops(path, 1402, 3.0)] == [paths[1]]


class OldKernel:
    """A socket of a system without the two options."""

    def sendmsg(self) -> None: ...

    def recvmsg_into(self) -> None: ...

    def getsockopt(self, *_: int) -> int:
        raise OSError(errno.ENOPROTOOPT, "no such option")

    def setsockopt(self, *_: int) -> None:
        raise OSError(errno.ENOPROTOOPT, "no such option")


def test_a_kernel_that_does_not_know_the_options_is_noticed_before_anything_is_sent() -> None:
    old = cast(socket.socket, cast(Any, OldKernel()))
    assert not can_segment(old)
    assert not join_arrivals(old)


def test_a_system_without_these_calls_is_noticed() -> None:
    bare = cast(socket.socket, object())
    assert not can_segment(bare)
    assert not join_arrivals(bare)
