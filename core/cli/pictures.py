"""The link of an invitation on the command line: as words, in a file, in the picture of a QR code, or piped in."""

import sys
from pathlib import Path
from typing import Final

from core.errors import LocalError

MOST_TEXT: Final = 8192  # characters of a text; a link has 150
MOST_BYTES: Final = 64_000_000  # of a picture's file; a telephone's camera makes 3 to 20 million
_NO_READER: Final = (
    "it is a picture, and pictures need what the window brings: pip install 'grapevine[desktop]'. Or give the link as "
    "a text"
)


class PictureError(LocalError):
    """No link can be read out of a file."""

    name = "ERR_LINK_PICTURE"


def said(text: str) -> str:
    """Return what a file says, if `text` is the name of one, or standard input, if it is `-`; else the text itself.

    A picture says what the QR code in it does. Raises PictureError.
    """
    if text == "-":
        return _of(sys.stdin.buffer.read(MOST_BYTES + 1))
    try:
        if not Path(text).is_file():
            return text
        with open(text, "rb") as file:
            return _of(file.read(MOST_BYTES + 1))
    except ValueError:  # no name of a file
        return text
    except OSError as error:
        if len(text) > 255:  # a link with a message is too long for a name
            return text
        raise PictureError(f"{text} cannot be read: {error.strerror or error}") from None


def _of(data: bytes) -> str:
    if len(data) > MOST_BYTES:
        raise PictureError(f"it has more than {MOST_BYTES // 1_000_000} MB: cut the QR code out of it")
    try:
        if b"\0" not in data:
            return data.decode()[:MOST_TEXT]
    except UnicodeDecodeError:
        pass
    try:
        from desktop.pictures import NotFound, text_of_data
    except ImportError:
        raise PictureError(_NO_READER) from None
    try:
        return text_of_data(data)
    except NotFound as error:
        raise PictureError(str(error).rstrip(".")) from None
