"""A service of a plain Grenache server at home, in any language, over HTTP or WebSocket: requests are passed on."""

import asyncio
import json
from pathlib import Path
from typing import ClassVar, Final
from urllib.parse import urlsplit

from core.errors import LocalError, LookupEmpty, PeerError, RefusedError, RequestTimeout
from core.grenache.asker import Ask, WebAsker
from core.grenache.client_tls import ClientTls
from core.kinds.base import Check, Shared
from core.kinds.share import BAD, Share, flag_option, number_option, text_option
from core.peer_id import PeerId
from core.tunnel.stream import ByteStream
from core.values import Address, Caller, JsonValue, Outcome
from core.wire.grenache_message import Meta
from core.wire.stream_opening import Opening, pack_details

GRAPE: Final = "http://127.0.0.1:30001"  # the customary first grape
TIMEOUT: Final = 30.0  # seconds for an answer, unless its owner says otherwise
CHECK_TIMEOUT: Final = 2.0  # seconds; the owner looks at a dialog meanwhile
AT_ONCE: Final = 64  # requests under way at that server; more are refused
BRIDGE: Final = "ERR_BRIDGE"  # nobody answers at home
REPLY_MAX: Final = 256 * 1024  # bytes of a grape's answer
_TRANSPORTS: Final = ("", "http", "ws")
_TLS: Final = ("fingerprint", "authority", "certificate", "certificate_key")


class GrenacheService(Shared):
    """Options: `target`, a NAME that is looked up or HOST:PORT; `grape`: URL; `transport`: http or ws; `timeout`: s.

    `tls`, or one of those that say more: `fingerprint` (of the server's certificate), `authority`, `certificate` and
    `certificate_key` (files in PEM).
    """

    kind: ClassVar[str] = "grenache"
    options: ClassVar[frozenset[str]] = frozenset({"target", "grape", "transport", "timeout", "key", "tls", *_TLS})

    def __init__(self, share: Share) -> None:
        super().__init__(share)
        self._target = text_option(share, "target").strip()
        self._key = text_option(share, "key") if "key" in share.options else self._target
        self._seconds = number_option(share, "timeout", TIMEOUT, 0.1, 3600.0)
        transport = share.options.get("transport", "")
        if transport not in _TRANSPORTS:
            raise LocalError(f"{share.name}: 'transport' is http or ws", name=BAD)
        self._ask = Ask(str(transport), _tls(share))
        grape = text_option(share, "grape") if "grape" in share.options else GRAPE
        parts = urlsplit(grape)
        if parts.scheme != "http" or not parts.hostname:
            raise LocalError(f"{share.name}: 'grape' is a URL such as {GRAPE}", name=BAD)
        self._asker = WebAsker(_Grape(parts.hostname, parts.port or 80))
        self._under_way = 0

    @property
    def description(self) -> str:
        """Say what it is; where it is in the home is its owner's business."""
        return "a Grenache service"

    @property
    def takes_streams(self) -> bool:
        """Streams of a caller over HTTP go on to the server as streams; its requests do as requests.

        WebSocket has no streams: there they are requests, which is what the public server makes of them.
        """
        return self._ask.transport != "ws"

    async def aclose(self) -> None:
        """End the connections."""
        await self._asker.aclose()

    async def check(self) -> Check:
        """Look whether somebody is announced, and takes a connection."""
        try:
            async with asyncio.timeout(CHECK_TIMEOUT):
                place = await self._asker.speaks_tcp(self._target)
        except (PeerError, TimeoutError) as error:
            return Check(False, f"No Grenache server answers as {self._target} yet: {error or 'it takes too long'}.")
        return Check(True, f"A server answers at {place}.")

    def handle(self, payload: JsonValue, caller: Caller) -> Outcome:
        """Pass a request on, and its answer or error back."""
        if self._under_way >= AT_ONCE:
            raise LocalError(f"{self.name} is busy: {AT_ONCE} requests are under way already", name="ERR_RATE_LIMITED")
        return self._pass_on(payload)

    async def _pass_on(self, payload: JsonValue) -> JsonValue:
        self._under_way += 1
        try:
            places = await self._asker.places(self._target)
            answer = await self._asker.ask(places[0], self._key, payload, self._seconds, self._ask)
        except RefusedError as error:
            raise LocalError(str(error), name=error.name) from None  # the service's own words
        except RequestTimeout:
            raise LocalError(f"the server of {self.name} did not answer in time", name="ERR_TIMEOUT") from None
        except PeerError:
            raise LocalError(f"the server of {self.name} does not answer", name=BRIDGE) from None
        finally:
            self._under_way -= 1
        return answer.data

    async def serve(self, stream: ByteStream, opening: Opening, caller: Caller) -> None:
        """Join a byte stream to one over HTTP to the server. Raises LocalError when nobody answers."""
        action = opening.details.get("action")
        meta = Meta(
            opening.details.get("rid"), self._key, action if isinstance(action, str) else None,
            opening.details.get("args"),
        )  # fmt: skip
        try:
            outgoing = await self._asker.stream(self._target, meta, self._seconds, self._ask)
        except (PeerError, TimeoutError):
            raise LocalError(f"the server of {self.name} does not answer", name=BRIDGE) from None
        stream.accept(pack_details({"k": self.kind}))

        async def there() -> None:
            while data := await stream.read():
                await outgoing.write(data)
            outgoing.end()

        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(there())
                while data := await outgoing.read():
                    await stream.write(data)
                stream.end()
        except* PeerError:
            raise LocalError(f"the server of {self.name} ended the stream", name=BRIDGE) from None
        finally:
            outgoing.close()


def _tls(share: Share) -> ClientTls | None:
    """Return how TLS is spoken to the server, None where it is not. Raises LocalError."""
    given = {key: text_option(share, key) for key in _TLS if key in share.options}
    if not flag_option(share, "tls") and not given:
        return None
    if ("certificate" in given) != ("certificate_key" in given):
        raise LocalError(f"{share.name}: 'certificate' and 'certificate_key' go together", name=BAD)
    try:
        expected = PeerId.parse(given["fingerprint"]) if "fingerprint" in given else None
    except ValueError as error:
        raise LocalError(f"{share.name}: 'fingerprint': {error}", name=BAD) from None
    certificate, key, authority = (
        Path(given[name]) if name in given else None for name in ("certificate", "certificate_key", "authority")
    )
    return ClientTls(certificate, key, authority, expected)


class _Grape:
    """Lookups at one grape."""

    def __init__(self, host: str, port: int) -> None:
        self._place = Address(host, port)

    async def lookup(self, name: str, *, fresh: bool = False) -> list[Address]:
        """Return who is announced under a name. Raises LookupEmpty."""
        from core.grenache.http_client import HttpClient

        client = HttpClient()
        body = json.dumps({"rid": "bridge", "data": name}).encode()
        try:
            said, _ = await client.post(self._place, body, timeout=CHECK_TIMEOUT, path="/lookup", most=REPLY_MAX)
            listed = json.loads(said)
            return [Address.parse(text) for text in listed] if listed and isinstance(listed, list) else self._none(name)
        except (ValueError, TypeError, AttributeError):
            return self._none(name)
        finally:
            await client.aclose()

    def _none(self, name: str) -> list[Address]:
        raise LookupEmpty(f"the grape {self._place} knows nobody as {name[:80]!r}")
