"""The link of an invitation out of a file: a text, the picture of a QR code, and what is neither."""

import io
import struct
import sys
import zlib
from pathlib import Path

import pytest
import segno
from click.testing import CliRunner

from core.cli import pictures
from core.cli.invitations import join
from core.cli.pictures import PictureError, said
from core.invitations.link import Link
from core.peer_id import PeerId

pytest.importorskip("zxingcpp")
pytest.importorskip("PySide6")

LINK = Link(PeerId(b"k" * 32), b"s" * 16)


def code(text: str) -> bytes:
    """Return a PNG file of a QR code."""
    data = io.BytesIO()
    segno.make(text, error="m", micro=False).save(data, kind="png", scale=4)
    return data.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def grey(width: int, height: int, rows: int) -> bytes:
    """Return a PNG file that says it is so large, with so many white rows in it."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = zlib.compress((b"\0" + b"\xff" * width) * rows)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def refused(argument: str, *, given: bytes = b"") -> str:
    """Return what `grapevine join` says of an argument that it does not take."""
    done = CliRunner().invoke(join, [argument], input=given)
    assert done.exit_code == 2
    return done.output


def test_the_code_in_a_picture_is_read_and_capitals_are_as_good(tmp_path: Path) -> None:
    for text in (str(LINK), str(LINK).upper()):
        (tmp_path / "code.png").write_bytes(code(text))
        assert said(str(tmp_path / "code.png")) == text


def test_a_text_may_be_the_link_a_file_or_come_by_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "invitation.txt").write_text(f"For you:\n{LINK}\n")
    assert str(LINK) in said(str(tmp_path / "invitation.txt"))
    assert said(str(LINK)) == str(LINK)
    message = f"{LINK} {'and a long message ' * 500}"
    assert said(message) == message, "no name of a file is so long"
    assert said("a\0b") == "a\0b"
    for data in (f"{LINK}\n".encode(), code(str(LINK))):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        assert said("-").strip() == str(LINK)


def test_a_picture_without_a_code_is_said_to_have_none(tmp_path: Path) -> None:
    (tmp_path / "white.png").write_bytes(grey(300, 300, 300))
    assert "There is no QR code in this picture" in " ".join(refused(str(tmp_path / "white.png")).split())


def test_a_code_of_something_else_is_no_invitation(tmp_path: Path) -> None:
    (tmp_path / "code.png").write_bytes(code("https://a.b/" + "c" * 40))
    assert "ERR_LINK_FOREIGN" in refused(str(tmp_path / "code.png"))


@pytest.mark.parametrize("part", [0.02, 0.3, 0.7])
def test_a_cut_picture_is_refused_with_a_sentence(tmp_path: Path, part: float) -> None:
    whole = code(str(LINK))
    (tmp_path / "code.png").write_bytes(whole[: int(len(whole) * part)])
    assert "ERR_LINK_PICTURE" in refused(str(tmp_path / "code.png"))


def test_a_huge_picture_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    (tmp_path / "huge.png").write_bytes(grey(60_000, 60_000, 10))
    assert "too large" in refused(str(tmp_path / "huge.png"))


def test_a_huge_file_is_refused_and_not_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MOST_BYTES", 1_000_000)
    (tmp_path / "huge.png").write_bytes(code(str(LINK)) + bytes(1_000_000))
    assert "more than 1 MB" in refused(str(tmp_path / "huge.png"))


def test_what_is_no_picture_and_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(bytes(range(256)) * 9)
    assert "ERR_LINK_PICTURE" in refused(str(tmp_path / "noise"))
    assert "ERR_LINK" in refused("-", given=b"\xff\xfe\0")
    assert "ERR_LINK_FOREIGN" in refused(str(tmp_path)), "a folder"


@pytest.mark.parametrize(("missing", "words"), [("zxingcpp", "zxing-cpp"), ("desktop.pictures", "grapevine[desktop]")])
def test_where_what_reads_pictures_is_missing_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str, words: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    (tmp_path / "code.png").write_bytes(code(str(LINK)))
    with pytest.raises(PictureError, match="pictures") as error:
        said(str(tmp_path / "code.png"))
    assert words in str(error.value)
