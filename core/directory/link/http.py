"""One POST to one grape, bounded in time and bytes. The only module of the link that knows aiohttp."""

import asyncio
import json
import os
import uuid

import aiohttp

from core.aio.resolver import Resolver
from core.directory.link.config import LinkConfig
from core.directory.link.replies import RawReply
from core.errors import LocalError, RemoteError, RequestTimeout, Unreachable
from core.values import JsonValue

READ_CHUNK = 64 << 10  # bytes


class GrapeHttp:
    """Posts to grapes over kept connections. Make and close it on the loop that uses it."""

    def __init__(self, config: LinkConfig) -> None:
        self._config = config
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def post(self, url: str, kind: str, data: JsonValue) -> RawReply:
        """Return a grape's answer, whatever its status.

        Raises RequestTimeout (no answer in time), Unreachable (nobody there) or RemoteError (too long an answer, or
        not HTTP). A kept connection that the grape has just closed costs one repetition, not an error.
        """
        try:
            async with asyncio.timeout(self._config.request_timeout):
                try:
                    return await self._post(url, kind, data)
                except aiohttp.ServerDisconnectedError:
                    return await self._post(url, kind, data)
        except (TimeoutError, aiohttp.ConnectionTimeoutError):
            seconds = self._config.request_timeout
            raise RequestTimeout(f"the grape {url} did not answer within {round(seconds, 2):g} s") from None
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
            raise LocalError(f"{url!r} is not a grape's address: write it like http://192.0.2.7:30001") from error
        except aiohttp.ClientResponseError as error:
            raise RemoteError(f"{url} does not speak HTTP: is that a grape's address?") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable(f"the grape {url} cannot be reached ({_reason(error)})") from error

    async def _post(self, url: str, kind: str, data: JsonValue) -> RawReply:
        body = json.dumps({"rid": str(uuid.uuid4()), "data": data}, separators=(",", ":"), ensure_ascii=False)
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        async with self._open_session().post(
            f"{url}/{kind}", data=body.encode("utf-8", "replace"), headers=headers, allow_redirects=False
        ) as response:
            return RawReply(url, response.status, await self._read(url, response))

    async def _read(self, url: str, response: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for chunk in response.content.iter_chunked(READ_CHUNK):
            body += chunk
            if len(body) > self._config.max_reply_bytes:
                response.close()
                raise RemoteError(f"{url} answered more than {self._config.max_reply_bytes} bytes")
        return bytes(body)

    def _open_session(self) -> aiohttp.ClientSession:
        if self._closed:
            raise LocalError("this link is closed")
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    resolver=Resolver(),
                    limit_per_host=self._config.connections,
                    keepalive_timeout=self._config.keep_alive,
                ),
                timeout=aiohttp.ClientTimeout(total=None),  # `post` keeps the time, the repetition included
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            )
        return self._session

    async def begin_again(self) -> None:
        """Make new connections: the kept ones lead through a network that may be gone."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    async def close(self) -> None:
        """Close the kept connections. Idempotent."""
        self._closed = True
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()


def _reason(error: Exception) -> str:
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    number = getattr(cause, "errno", None)  # asyncio's own text for it hides what the system said
    if isinstance(cause, OSError) and isinstance(number, int) and number > 0:
        return os.strerror(number)
    text = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    return str(text)
