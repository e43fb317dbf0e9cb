"""What a Scanner calls whole, and Python's strict parser takes, is read in steps as it is read at once, and so written.
Nothing else is raised than the errors of `json_load` and `json_scan`, and no step does everything.
"""

import json

from core.values import JsonValue
from core.wire.json_dump import dump, dump_steps, weight
from core.wire.json_load import load, load_steps
from core.wire.json_scan import InvalidJson, OverLimit, Scanner
from tests.fuzz.inputs import Input, split

WATCHED = ["core.wire.json_scan", "core.wire.json_load", "core.wire.json_dump"]
DEPTH, CONTAINERS = 20, 500
SEEDS = [
    b'\0["3f0c","fibonacci",{"length":10,"note":"\\u00e9 [x] {y}"},[0,1,-1.5E+7,true,null,false]]',
    b'\2\0\5\0\x09{"a":{"b":[[[]],{}]},"c":"\\ud83d\\ude00","\xc3\xbf":[1,2,3]}',
    b'\0["' + b"long " * 70 + b'", ' + b"1, " * 90 + b"[2]]",
    b"\0" + b"[" * 21 + b"]" * 21,
]


def run(data: bytes) -> None:
    source = Input(data)
    cuts = source.cuts()
    stream = source.rest()
    end = scanned([stream])
    if scanned(split(stream, cuts)) != end:
        raise AssertionError("the cuts changed where the value ends")
    if end is None:
        return
    text = stream[:end]
    try:
        value = load(text)
    except (ValueError, RecursionError):
        value = None
    if stepped(text) != value:
        raise AssertionError("read in steps it is another value")
    if value is not None:
        write(value)


def scanned(chunks: list[bytes]) -> int | None:
    """Return where the first value ends; None: nowhere, or it is none."""
    scanner, at = Scanner(DEPTH, CONTAINERS), 0
    if not chunks or chunks[0][:1] not in (b"[", b"{"):
        return None
    scanner.start()
    for chunk in chunks:
        try:
            at += scanner.scan(chunk, 0)
        except (InvalidJson, OverLimit):
            return None
        if scanner.done:
            return at
    return None


def stepped(text: bytes) -> JsonValue:
    """Read a value in its steps; None: it is none after all."""
    steps, count = load_steps(text), 0
    try:
        while True:
            next(steps)
            count += 1
            if count > 4 * len(text) + 8:
                raise AssertionError("steps without end")
    except StopIteration as end:
        value: JsonValue = end.value
        return value
    except ValueError:
        return None


def write(value: JsonValue) -> None:
    """Write it at once and in steps."""
    whole = dump(value, DEPTH)
    if "".join(dump_steps(value, DEPTH)) != whole or json.loads(whole) != value:
        raise AssertionError("written in steps it is another text")
    if weight(value, 1 << 20) > 64 * len(whole) + 64:
        raise AssertionError("far too heavy")
