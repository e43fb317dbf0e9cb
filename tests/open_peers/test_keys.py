"""Where open peers gather, and which of them two peers choose without a word."""

from collections import Counter
from random import Random

from core.open_peers.keys import DAY, SHARDS, days, gathering, nearest, place, shard_of
from core.values import Address

NOON = 20_000 * DAY + DAY // 2


def somewhere(random: Random) -> Address:
    return Address(f"{random.randrange(1, 200)}.{random.randrange(256)}.{random.randrange(256)}.7", 4000)


def test_the_gatherings_are_others_every_day_and_in_every_shard() -> None:
    found = {gathering(day, shard) for day in (20_000, 20_001) for shard in range(SHARDS)}
    assert len(found) == 2 * SHARDS
    assert {len(each) for each in found} == {20}
    # pinned: who finds others at other hashes finds nobody
    assert gathering(20_000, 0).hex() == "01918bf4e0dcd52383d0c9036eb4f5a33fa065b8"


def test_an_identity_has_one_list_and_the_lists_are_equally_long() -> None:
    random = Random(1)
    count = Counter(shard_of(random.randbytes(32)) for _ in range(4000))
    assert set(count) == set(range(SHARDS))
    assert min(count.values()) > 900


def test_around_midnight_two_days_count() -> None:
    assert days(NOON) == (20_000,)
    assert days(20_000 * DAY + 60) == (20_000, 19_999)
    assert days(20_001 * DAY - 60) == (20_000, 20_001)


def test_two_that_know_mostly_the_same_choose_one_in_common() -> None:
    random = Random(2)
    everybody = [somewhere(random) for _ in range(200)]
    missed = 0
    for number in range(200):
        at = place(number.to_bytes(32), 20_000)
        waits = nearest(random.sample(everybody, 140), at, 3)
        calls = nearest(random.sample(everybody, 140), at, 4)
        missed += not set(waits) & set(calls)
    assert missed <= 12, "with a third of the others unknown to each side"


def test_a_network_has_one_voice_however_many_ports_and_hosts_it_has() -> None:
    random = Random(3)
    honest = [somewhere(random) for _ in range(40)]
    sybils = [Address(f"66.66.{n % 256}.{n // 256 + 1}", 5000 + n) for n in range(1000)]
    for number in range(50):
        at = place(number.to_bytes(32), 20_000)
        chosen = nearest([*honest, *sybils], at, 4)
        assert sum(each.host.startswith("66.66.") for each in chosen) <= 1


def test_a_place_is_another_one_every_day() -> None:
    random = Random(4)
    everybody = [somewhere(random) for _ in range(200)]
    today, tomorrow = (nearest(everybody, place(b"k" * 32, day), 3) for day in (20_000, 20_001))
    assert today != tomorrow
    assert nearest(everybody[:2], place(b"k" * 32, 20_000), 3) != [], "few are better than none"
