"""People in a simulated public DHT, some of them open peers, and connections that reach those that let others in."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random

from core.errors import LookupEmpty, PeerError, RefusedError, RequestTimeout
from core.peer_id import PeerId
from core.public.open_desk import OpenDesk
from core.public.open_side import OpenSide
from core.values import Address, Caller, JsonValue
from core.wire.open_message import OPEN_SERVICE
from tests.mainline.cloud import Cloud
from tests.mainline.people import START
from tests.public.test_service import Somebody

WAY = 0.05  # seconds each way
SETTLED = 3.0  # seconds of being reachable in these tests


@dataclass
class Answer:
    peer_id: PeerId | None
    data: JsonValue


class NoGrape:
    """A grape that knows nobody."""

    async def lookup(self, name: str, *, fresh: bool = False) -> list[Address]:
        raise LookupEmpty(f"nobody knows {name}")

    async def put(self, value: JsonValue) -> str:
        return "f" * 40

    async def get(self, hash: str) -> dict[str, JsonValue]:
        return {"v": "what is stored"}


class Memory:
    """What is kept until the next run."""

    def __init__(self) -> None:
        self.known: list[tuple[Address, PeerId]] = []

    async def read(self) -> list[tuple[Address, PeerId]]:
        return self.known

    async def write(self, known: Sequence[tuple[Address, PeerId]]) -> None:
        self.known = list(known)


class Wires:
    """Connections: only who lets others in is reached, and who lies answers what it wants."""

    def __init__(self) -> None:
        self.reachable: dict[Address, Helper] = {}
        self.liars: dict[Address, PeerId | None] = {}
        self.asked: Counter[Address] = Counter()
        self.said: list[str] = []

    async def ask(self, caller: Caller, address: Address, payload: JsonValue, seconds: float) -> Answer:
        self.asked[address] += 1
        await asyncio.sleep(WAY)
        if address in self.liars:
            return Answer(self.liars[address], {"hello": "0" * 32, "news": 1, "items": [], "left": 1, "told": 1})
        helper = self.reachable.get(address)
        if helper is None:
            await asyncio.sleep(seconds)
            raise RequestTimeout(f"{address} is silent")
        sent = json.dumps(payload)
        self.said.append(sent)
        try:
            async with asyncio.timeout(seconds):
                data = await helper.answer(OPEN_SERVICE, json.loads(sent), caller)
        except TimeoutError:
            raise RequestTimeout(f"{address} is silent") from None
        except PeerError as error:
            raise RefusedError(str(error), name=error.name) from None
        await asyncio.sleep(WAY)
        return Answer(helper.peer_id, json.loads(json.dumps(data)))


class Helper(Somebody):
    """Somebody with open peers; `lets_in`: others reach it."""

    def __init__(
        self, cloud: Cloud, number: int, seeds: Iterable[Address], wires: Wires, *, lets_in: bool = False,
        helps: bool = False, kept: Memory | None = None,
    ) -> None:  # fmt: skip
        super().__init__(cloud, number, seeds, reachable_for=SETTLED)
        self.wires = wires
        self.renewed = 0
        self.desk = OpenDesk(lambda: self.peer_id, lambda peer_id: peer_id in self.knows, NoGrape(), lambda: None)
        caller = Caller(self.socket.address, None)

        async def ask(address: Address, payload: JsonValue, seconds: float, expected: PeerId | None) -> Answer:
            return await wires.ask(caller, address, payload, seconds)

        self.side = OpenSide(
            ask, lambda named: [each for each in named if each != self.socket.address], kept or Memory(),
            Random(number), lambda: START + cloud.now, self.desk, helps=helps, renew=self._renew,
        )  # fmt: skip
        self.lets_in = lets_in
        if lets_in:
            wires.reachable[self.socket.address] = self
        self.public.start(
            self.people, lambda: self.identity.secret, lambda: self.serves, None, self.side, lambda: self.lets_in
        )

    def _renew(self) -> None:
        self.renewed += 1

    async def answer(self, key: str, payload: JsonValue, caller: Caller) -> JsonValue:
        if not self.desk.serves(key, payload):
            raise RefusedError("nothing is shared here under that name", name="ERR_SERVICE_UNKNOWN")
        answer = self.desk.handle(payload, caller)
        if isinstance(answer, dict | list | str | int | float | bool) or answer is None:
            return answer
        return await answer
