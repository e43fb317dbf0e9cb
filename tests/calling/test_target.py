"""What a person may write where a request goes."""

import pytest

from core.calling.target import PeerTarget, peer_target
from core.errors import LocalError
from core.peer_id import PeerId

ID = PeerId(bytes(range(32)))


@pytest.mark.parametrize(
    ("text", "service"),
    [
        (str(ID), None),
        (f"  {str(ID).lower()} ", None),
        (str(ID).replace("-", "") + "/fibonacci", "fibonacci"),
        (f"{ID}/ fibonacci ", "fibonacci"),
        (f"{ID}/a/b", "a/b"),
    ],
)
def test_a_peer_by_its_id(text: str, service: str | None) -> None:
    assert peer_target(text) == PeerTarget(ID, service)


@pytest.mark.parametrize("text", ["fibonacci", "fibonacci_worker", "192.0.2.1:20001", "a/b", "", "-", "x" * 48])
def test_what_is_none(text: str) -> None:
    assert peer_target(text) is None


@pytest.mark.parametrize("service", ["", "/fibonacci"])
def test_a_mistyped_id_is_never_a_name(service: str) -> None:
    written = str(ID)
    wrong = written[:10] + ("A" if written[10] != "A" else "B") + written[11:]
    with pytest.raises(LocalError, match="mistyped in") as caught:
        peer_target(wrong + service)
    assert caught.value.name == "ERR_PEER_ID"
    with pytest.raises(LocalError, match="copy it whole"):
        peer_target(written[:-2] + service)


def test_an_empty_service_is_refused() -> None:
    with pytest.raises(LocalError, match="PEER-ID/fibonacci"):
        peer_target(f"{ID}/ ")


def test_an_id_that_is_asked_again_is_not_read_again() -> None:
    written = f"{ID}/fibonacci"
    assert peer_target(written) is peer_target(written)
