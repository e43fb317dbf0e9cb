"""A web page with all that one may have, as a test's user runs it: bodies, ranges, uploads, events, a WebSocket."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import WSMsgType, web

PAGE = """<!doctype html><title>A page</title><script>
const tell = text => fetch("/done", {method: "POST", body: text});
(async () => {
  const hello = await (await fetch("/file/hello.txt")).text();
  const socket = new WebSocket(`ws://${location.host}/socket`);
  await new Promise((done, failed) => { socket.onopen = done; socket.onerror = () => failed("no WebSocket"); });
  const heard = new Promise(done => socket.onmessage = event => done(event.data));
  socket.send("abc");
  const back = await heard;
  const events = new EventSource("/events");
  const seen = [];
  await new Promise(done => events.onmessage = event => { seen.push(event.data); if (seen.length == 3) done(); });
  events.close();
  const bytes = new Uint8Array(3_000_000).map((_, index) => index * 7);
  const sum = await (await fetch("/upload", {method: "POST", body: bytes})).text();
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  const hex = [...new Uint8Array(digest)].map(each => each.toString(16).padStart(2, "0")).join("");
  await tell([hello, back, seen.join(","), sum == hex, isSecureContext].join(" "));
})().catch(error => tell("failed: " + error));
</script>"""


class Site:
    """`done` is what the script of the page said at the end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 0
        self.done: str | None = None

    async def page(self, _: web.Request) -> web.Response:
        """Return the page."""
        return web.Response(text=PAGE, content_type="text/html")

    async def end(self, request: web.Request) -> web.Response:
        """Take what the page found."""
        self.done = await request.text()
        return web.Response()

    async def upload(self, request: web.Request) -> web.Response:
        """Return the SHA-256 of what is sent."""
        digest = hashlib.sha256()
        async for piece in request.content.iter_any():
            digest.update(piece)
        return web.Response(text=digest.hexdigest())

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Send three events, a tenth of a second apart."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await response.prepare(request)
        for number in range(3):
            await response.write(f"data: {number}\n\n".encode())
            await asyncio.sleep(0.1)
        return response

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        """Return each text in capitals."""
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await socket.send_str(message.data.upper())
        return socket


@asynccontextmanager
async def site(folder: Path) -> AsyncIterator[Site]:
    """Serve the page; `folder` is under /file/."""
    served = Site(folder)
    app = web.Application(client_max_size=0)
    app.add_routes(
        [
            web.get("/", served.page), web.post("/done", served.end), web.post("/upload", served.upload),
            web.put("/upload", served.upload), web.get("/events", served.events), web.get("/socket", served.socket),
            web.static("/file", folder),
        ]
    )  # fmt: skip
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        served.port = runner.addresses[0][1]
        yield served
    finally:
        await runner.cleanup()
