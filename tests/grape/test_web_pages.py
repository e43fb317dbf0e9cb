"""A page of another site in a real browser, headless Chromium, tries all that a page can do to a grape beside it."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from core.grape.config import GrapeConfig
from core.grape.forgeries import ForgeryCheck
from core.grape.grape import Grape, open_grape
from tests.support.process import Program, running, until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio]

LOOPBACK = "127.0.0.1"
NAME = "rebound.example"  # stands for a name that its owner has pointed at the visitor's machine
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
    f"--host-resolver-rules=MAP {NAME} {LOOPBACK}",
]  # fmt: skip
BROWSER_PATIENCE = 60.0  # seconds; it starts in 1 s, on a busy machine in 10
REQUESTS = 7  # what reaches the grape: a fetch of JSON is a preflight only, the others are themselves

PAGE = """<!doctype html><title>A page</title><iframe name="sink"></iframe>
<form method="post" enctype="text/plain" target="sink"><input name="field" type="hidden"></form>
<script>
const grape = new URLSearchParams(location.search).get("grape");
const announce = name => JSON.stringify({rid: "r", data: [name, 6666]});
const post = (type, body, more) => fetch(`${grape}/${type}`, {method: "POST", mode: "no-cors", body, ...more});
const form = document.forms[0], frame = document.querySelector("iframe"), image = new Image();
const first = (target, ...events) => new Promise(done => events.forEach(event => target.addEventListener(event, done)));
(async () => {
  await post("announce", announce("simple"));
  await post("announce", new Blob([announce("untyped")]));
  const json = {mode: "cors", headers: {"content-type": "application/json"}};
  await post("announce", announce("json"), json).catch(() => 0);
  await post("put", JSON.stringify({rid: "r", data: {v: "stored"}}));
  image.src = `${grape}/announce?` + encodeURIComponent(announce("image"));
  await first(image, "load", "error");
  form.action = `${grape}/announce`;
  form.field.name = '{"rid":"r","data":["form",6666],"x":"';  // and "=" and the value make it JSON
  form.field.value = '"}';
  form.submit();
  await first(frame, "load");
  navigator.sendBeacon(`${grape}/announce`, announce("beacon"));
  await fetch("/done", {method: "POST"});
})().catch(error => fetch("/done", {method: "POST", body: String(error)}));
</script>"""


class Site:
    """The site of the page; `done` is what its script said at the end, "" if all went as it should."""

    def __init__(self) -> None:
        self.port = 0
        self.done: str | None = None

    async def page(self, _: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    async def end(self, request: web.Request) -> web.Response:
        self.done = await request.text()
        return web.Response()


@contextlib.asynccontextmanager
async def site() -> AsyncIterator[Site]:
    served = Site()
    app = web.Application()
    app.add_routes([web.get("/", served.page), web.post("/done", served.end)])
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, LOOPBACK, 0).start()
        served.port = runner.addresses[0][1]
        yield served
    finally:
        await runner.cleanup()


async def visit(profile: Path, page_host: str, grape_host: str, grape: Grape) -> None:
    """Have a browser open the page, and wait until all it tries has arrived at the grape."""
    port = grape.url.rpartition(":")[2]
    async with site() as served:
        url = f"http://{page_host}:{served.port}/?grape=http://{grape_host}:{port}"
        async with running("chromium", ["chromium", *FLAGS, f"--user-data-dir={profile}", url]) as browser:
            await _all_tried(served, grape, browser)


async def _all_tried(served: Site, grape: Grape, browser: Program) -> None:
    async def tried() -> bool:
        return served.done is not None and grape.statistics().http.requests >= REQUESTS

    try:
        await until(tried, "the page has tried everything", timeout=BROWSER_PATIENCE)
    except AssertionError as error:
        raise AssertionError(f"{error}: {served.done} {grape.statistics().http}\n{browser.transcript()}") from None
    assert served.done == ""


async def announced(grape: Grape) -> set[str]:
    """Return which of the page's announces took effect."""
    names = ["simple", "untyped", "json", "image", "form", "beacon"]
    return {name for name in names if await grape.lookup(name)}


CONFIG = GrapeConfig(dht_port=0, api_port=0, bind=LOOPBACK)


@pytest.mark.parametrize(
    ("page_host", "grape_host", "refused"),
    [
        ("localhost", LOOPBACK, {"Origin": 6, "Sec-Fetch-Site": 1}),  # another site
        (LOOPBACK, LOOPBACK, {"Origin": 6, "Sec-Fetch-Site": 1}),  # another program of this machine
        (NAME, NAME, {"Host": 7}),  # a name that leads here
    ],
)
async def test_a_page_announces_and_stores_nothing(
    tmp_path: Path, page_host: str, grape_host: str, refused: dict[str, int]
) -> None:
    async with open_grape(CONFIG) as grape:
        await visit(tmp_path, page_host, grape_host, grape)
        assert await announced(grape) == set()
        assert grape.statistics().dht.items == 0
        assert grape.statistics().http.forbidden == refused


async def test_without_the_guard_the_page_has_its_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the test above would prove nothing."""
    monkeypatch.setattr(ForgeryCheck, "forgery", lambda *_: None)
    async with open_grape(CONFIG) as grape:
        await visit(tmp_path, "localhost", LOOPBACK, grape)
        assert await announced(grape) == {"simple", "untyped", "form", "beacon"}
        assert grape.statistics().dht.items == 1
