"""Our grape beside the public Node grape, in both directions, asked by our link and by the public Node link."""

import pytest

from tests.interop.grapes import LOOPBACK, asker, our_grape, pair
from tests.support.process import node, until
from tests.support.samples import some

pytestmark = [pytest.mark.interop, pytest.mark.asyncio]

KINDS = ["our", "node"]
OTHER = {"our": "node", "node": "our"}

first_up = pytest.mark.parametrize("first", KINDS, ids=["node-bootstraps-off-ours", "ours-bootstraps-off-node"])
teller = pytest.mark.parametrize("here", KINDS, ids=["at-ours", "at-node"])
link_kind = pytest.mark.parametrize("link", some(KINDS, 2), ids=["our-link", "node-link"])


@first_up
@teller
@link_kind
async def test_what_one_grape_is_told_the_other_tells(first: str, here: str, link: str) -> None:
    """Names, values, signed items: of the same two grapes, since three Node programs take most of the time."""
    async with (
        pair(first) as grapes,
        asker(link, grapes.url(here)) as near,
        asker(link, grapes.url(OTHER[here])) as far,
    ):
        assert await near.announce("fibonacci_worker", 1337) == 1
        assert await far.lookup("fibonacci_worker") == [f"{LOOPBACK}:1337"]
        assert await near.lookup("fibonacci_worker") == [f"{LOOPBACK}:1337"]
        digest = await near.put("hello, wörld")
        assert (await far.get(digest))["v"] == "hello, wörld"
        for salt in ("", "a salt"):
            digest, key = await near.put_mutable("signed", 7, salt)
            item = await far.get(digest, salt)
            assert (item["v"], item["seq"], item["k"]) == ("signed", 7, key), salt


@teller
async def test_a_name_may_be_short_long_or_foreign(here: str) -> None:
    """The key is the name's own bytes, of any length: a 20-byte hash would never be found by the others."""
    names = ["x", "rest_net_util", "twenty bytes exactly", "a" * 60, "Wörker-日本"]
    async with (
        pair("our") as grapes,
        asker("our", grapes.url(here)) as near,
        asker("our", grapes.url(OTHER[here])) as far,
    ):
        for port, name in enumerate(names, start=2000):
            await near.announce(name, port)
        found = [await far.lookup(name) for name in names]
        assert found == [[f"{LOOPBACK}:{port}"] for port in range(2000, 2000 + len(names))]


async def test_the_node_link_cannot_tell_our_lone_grape_from_its_own() -> None:
    """A Node grape alone cannot even announce; ours serves by itself."""
    async with our_grape() as grape, node("link", {"grape": grape.url}) as link:
        with pytest.raises(RuntimeError, match="ERR_GRAPE_LOOKUP_EMPTY"):
            await link.command("lookup", name="nobody")
        assert await link.command("announce", name="somebody", port=4242) == 1
        assert await link.command("lookup", name="somebody") == [f"{LOOPBACK}:4242"]
        digest = await link.command("put", item={"v": "kept"})
        item = await link.command("get", hash=digest)
        assert (item["v"], item["token"]) == ("kept", None)
        assert len(item["id"]) == 40
        assert not await link.command("get", hash="00" * 20), "an unknown hash has an empty body"
        assert not await link.command("get", hash="zz"), "as what is no hash has"


@teller
async def test_a_grape_finds_the_others_of_the_grape_it_bootstraps_off(here: str) -> None:
    """The third grape is told of the first only by the one that it asks, which is ours or Node's."""
    async with pair(OTHER[here]) as grapes:
        asked = grapes.ours.dht_address if here == "our" else grapes.theirs.dht
        async with our_grape(asked) as last:

            async def knows_both() -> bool:
                return last.nodes() == 2

            await until(knows_both, "the last grape knows the first")
