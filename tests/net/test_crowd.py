"""Under a flood a friend's packets are handled before everybody's, hosts take turns, and nothing grows without end."""

import asyncio
import socket
from collections.abc import Sequence

import pytest

from core.net.crowd import AT_A_TIME, DATAGRAM_COST, FIRST_BYTES, LEAST_SHARE, OTHER_BYTES, Crowd
from core.net.intake import DRAIN_MAX, DRAIN_MIN, OTHERS_SECONDS, READ_SECONDS
from core.net.reader_socket import ReaderSocket
from core.net.udp_socket import Received
from core.values import Address, Buffer
from tests.net.test_intake import Arrivals
from tests.net.waiting import eventually
from tests.support.interpreted import interpreted

FLOOD = Address("192.0.2.66", 1)
FRIEND = Address("192.0.2.1", 1)
STRANGER = Address("192.0.2.2", 1)


def is_friend(source: Address, datagram: Buffer) -> bool:
    return source == FRIEND


def taken(batch: Sequence[Received]) -> list[tuple[Address, bytes]]:
    return [(source, bytes(each)) for source, datagrams in batch for each in datagrams]


def test_hosts_take_turns_whatever_each_has_sent() -> None:
    crowd = Crowd(is_friend)
    crowd.put([(Address(FLOOD.host, port), [b"f"] * 100) for port in range(1, 11)])
    crowd.put([(STRANGER, [b"1", b"2"])])
    assert taken(crowd.take_others(AT_A_TIME + 2))[AT_A_TIME:] == [(STRANGER, b"1"), (STRANGER, b"2")]


def test_known_peers_go_first_and_leave_strangers_a_share() -> None:
    crowd = Crowd(is_friend)
    crowd.put([(FLOOD, [b"f"] * 50), (FRIEND, [b"%d" % number for number in range(50)])])
    first = taken(crowd.take_first(20))
    assert first == [(FRIEND, b"%d" % number) for number in range(20 - 20 // LEAST_SHARE)]
    crowd.take_others(50)
    assert len(crowd.take_first(50)[0][1]) == 50 - len(first)  # nobody else is there
    assert len(crowd) == 0


def test_each_line_is_bounded_and_has_room_for_a_newcomer() -> None:
    crowd = Crowd(is_friend)
    datagram = bytes(1000)
    lost = 0
    for number in range(20):
        lost += crowd.put([(Address(f"192.0.2.{100 + number}", 1), [datagram] * 4000)])
    held = len(crowd) * (len(datagram) + DATAGRAM_COST)
    assert held < OTHER_BYTES
    assert lost == 80_000 - len(crowd)
    assert crowd.put([(STRANGER, [b"me too"])]) == 0
    assert crowd.put([(FRIEND, [datagram] * 1000)]) == 0
    assert crowd.put([(FRIEND, [datagram] * 4000)]) > 0
    assert len(crowd) * (len(datagram) + DATAGRAM_COST) < OTHER_BYTES + FIRST_BYTES


def test_what_was_taken_makes_room() -> None:
    crowd = Crowd(is_friend)
    for _ in range(50):
        assert crowd.put([(FLOOD, [bytes(1000)] * 700)]) == 0
        assert len(taken(crowd.take_others(1000))) == 700


def test_the_order_of_one_source_is_kept() -> None:
    crowd = Crowd(is_friend)
    sent: list[Buffer] = [b"%d" % number for number in range(40)]
    crowd.put([(STRANGER, sent[:20]), (FLOOD, [b"f"] * 9), (STRANGER, sent[20:])])
    came = [data for source, data in taken(crowd.take_others(100)) if source == STRANGER]
    assert came == sent


def test_a_friend_behind_a_flood_is_handled_in_the_same_turn() -> None:
    arrivals = Arrivals()
    arrivals.intake.crowd = Crowd(is_friend)
    for _ in range(1000):
        arrivals.add(b"flood", source=FLOOD)
    arrivals.add(b"request", source=FRIEND)
    batches = arrivals.drain()
    assert batches[0] == [(FRIEND, [b"request"])]  # a hand-over of its own: its answer leaves before the flood's
    assert sum(len(datagrams) for _, datagrams in batches[1]) == DRAIN_MAX


@interpreted
def test_reading_on_ends_after_its_time_too() -> None:
    arrivals = Arrivals()
    crowd = arrivals.intake.crowd = Crowd(is_friend)
    slow = Crowd.put

    def put(batch: Sequence[Received]) -> int:
        arrivals.now += READ_SECONDS
        return slow(crowd, batch)

    crowd.put = put  # type: ignore[method-assign]
    for _ in range(10 * DRAIN_MAX):
        arrivals.add(b"flood", source=FLOOD)
    arrivals.drain()
    assert len(arrivals.waiting) == 9 * DRAIN_MAX


def others_in_each_turn(cost: float, between: float, turns: int = 30) -> list[int]:
    """Return how many of a flood each turn takes; each costs `cost` seconds, and the loop `between` until the next."""
    arrivals = Arrivals()
    arrivals.intake.crowd = Crowd(is_friend)
    arrivals.cost = cost
    for _ in range(20 * DRAIN_MAX):
        arrivals.add(b"flood", source=FLOOD)
    counts = []
    for _ in range(turns):
        counts.append(sum(len(datagrams) for batch in arrivals.drain() for _, datagrams in batch))
        arrivals.now += between
    return counts


def test_strangers_get_their_time_of_a_turn_with_what_comes_of_their_datagrams() -> None:
    assert others_in_each_turn(OTHERS_SECONDS / 20, 0.0)[-1] in (19, 20)
    assert others_in_each_turn(OTHERS_SECONDS / 20, OTHERS_SECONDS)[-1] in (DRAIN_MIN, DRAIN_MIN + 1)  # tasks, say
    assert others_in_each_turn(0.0, 0.0, turns=3) == [DRAIN_MAX] * 3


def test_after_a_slow_spell_strangers_get_more_by_and_by() -> None:
    arrivals = Arrivals()
    crowd = arrivals.intake.crowd = Crowd(is_friend)
    for _ in range(20 * DRAIN_MAX):
        arrivals.add(b"flood", source=FLOOD)
    counts = []
    for turn in range(20):
        before = len(crowd) + len(arrivals.waiting)
        arrivals.drain()
        counts.append(before - len(crowd) - len(arrivals.waiting))
        arrivals.now += 10 * OTHERS_SECONDS if turn < 3 else 0.0
    assert counts[0] == DRAIN_MAX
    assert min(counts) <= 10
    assert counts[-1] == DRAIN_MAX


def test_a_calm_socket_hands_over_as_it_comes_and_copies_nothing() -> None:
    arrivals = Arrivals()
    crowd = arrivals.intake.crowd = Crowd(is_friend)
    arrivals.add(b"one", source=STRANGER)
    arrivals.add(b"two", source=FRIEND)
    assert arrivals.drain() == [[(STRANGER, [b"one"]), (FRIEND, [b"two"])]]
    assert len(crowd) == 0


@pytest.mark.asyncio
async def test_what_was_read_is_handled_though_nothing_further_arrives() -> None:
    loop = asyncio.get_running_loop()
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    sock.setblocking(False)
    reader = ReaderSocket(sock, loop)
    seen: list[tuple[Address, bytes]] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number in range(3 * DRAIN_MAX):
            sender.sendto(b"%d" % number, reader.address)
    reader.start(lambda batch: seen.extend(taken(batch)), is_friend)
    try:
        await eventually(lambda: len(seen) == 3 * DRAIN_MAX)
    finally:
        reader.close()
        await reader.wait_closed()
    assert [data for _, data in seen] == [b"%d" % number for number in range(3 * DRAIN_MAX)]
