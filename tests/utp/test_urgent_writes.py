"""Urgent writes: they share packets, and wait for nothing."""

from core.utp.send_queue import SendQueue


def test_urgent_writes_share_a_packet_that_leaves_although_another_is_in_flight() -> None:
    queue = SendQueue(100, 10)
    for data in (b"one", b"two"):
        assert queue.push(data, 1000, boundary=False, urgent=True) == 3
    assert queue.next_size(idle=False) == 6
    assert queue.pop() == b"onetwo"
    assert queue.push(b"plain", 1000, boundary=False) == 5
    assert queue.next_size(idle=False) is None  # the next plain write waits again (Nagle)


def test_a_plain_write_before_an_urgent_one_leaves_with_it() -> None:
    queue = SendQueue(100, 10)
    queue.push(b"plain", 1000, boundary=False)
    assert queue.next_size(idle=False) is None
    queue.push(b"urgent", 1000, boundary=False, urgent=True)
    assert queue.next_size(idle=False) == 11
    queue.clear()
    queue.push(b"plain", 1000, boundary=False)
    assert queue.next_size(idle=False) is None
