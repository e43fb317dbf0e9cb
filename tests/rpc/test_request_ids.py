"""Request ids: UUIDs that differ, made of every random byte."""

import uuid

from core.rpc.request_ids import RequestIds


def test_ids_are_version_4_uuids_and_never_repeat() -> None:
    ids = RequestIds()
    made = [ids.next() for _ in range(1000)]
    assert len(set(made)) == 1000
    for each in made:
        parsed = uuid.UUID(each)
        assert (str(parsed), parsed.version, parsed.variant) == (each, 4, uuid.RFC_4122)


def test_every_byte_is_used_once() -> None:
    asked: list[int] = []

    def source(size: int) -> bytes:
        asked.append(size)
        return bytes(number % 256 for number in range(size))

    ids = RequestIds(source)
    first, second = ids.next(), ids.next()
    assert first == "00010203-0405-4607-8809-0a0b0c0d0e0f"
    assert second == "10111213-1415-4617-9819-1a1b1c1d1e1f"
    for _ in range(300):
        ids.next()
    assert len(asked) == 2
