"""The link of an invitation in a picture that was dropped or pasted: a photograph or a screenshot of its QR code.

zxing-cpp finds the code, Qt reads the file. Both are done beside the UI thread: a photograph takes 0.3 s.
"""

from collections.abc import Callable
from typing import Final

from PySide6.QtCore import QBuffer, QIODevice, QObject, QRunnable, QSize, Qt, QThreadPool, Signal
from PySide6.QtGui import QImage, QImageReader

MOST_PIXELS: Final = 2000  # of the longer side that are looked at: a code that fills a tenth of it has 4 for a module
MOST_READ: Final = 100_000_000  # pixels that are decoded at all; a telephone's camera makes 12 to 50 million
MOST_TEXT: Final = 8192  # bytes of a file that is no picture; a link has 150
NO_READER = (
    "QR codes in pictures cannot be read, as the package zxing-cpp is not installed. Paste the link of the invitation."
)
NO_CODE = "There is no QR code in this picture, or it is too small or blurred. Ask for the link as a text."
TOO_LARGE = "This picture is too large to be looked through. Cut the QR code out of it, or ask for the link as a text."
NO_FILE = "This file can be read neither as a picture nor as a text with a link."


class NotFound(Exception):
    """There is no text to be had; the words say why."""


def text_of(image: QImage) -> str:
    """Return what the QR code in a picture says. Raises NotFound."""
    try:
        import zxingcpp
    except ImportError:
        raise NotFound(NO_READER) from None
    if max(image.width(), image.height()) > MOST_PIXELS:
        image = image.scaled(
            MOST_PIXELS, MOST_PIXELS, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
        )
    grey = image.convertToFormat(QImage.Format.Format_Grayscale8)
    if grey.isNull():
        raise NotFound(NO_CODE)
    rows = memoryview(bytes(grey.constBits())).cast("B", shape=[grey.height(), grey.bytesPerLine()])
    found = zxingcpp.read_barcodes(rows, formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode))
    texts = [each.text for each in found if each.text]
    if not texts:
        raise NotFound(NO_CODE)
    return next((text for text in texts if text.casefold().startswith("grapevine:")), texts[0])


def text_in(path: str) -> str:
    """Return what a file says: the QR code of a picture, or the text itself. Raises NotFound."""
    reader = QImageReader(path)
    if not reader.canRead():
        return _text(path)
    return _read(reader)


def text_of_data(data: bytes) -> str:
    """Return what the QR code in the bytes of a picture's file says. Raises NotFound."""
    held = QBuffer()
    held.setData(data)
    held.open(QIODevice.OpenModeFlag.ReadOnly)
    return _read(QImageReader(held))


def _read(reader: QImageReader) -> str:
    reader.setAutoTransform(True)
    size = reader.size()
    if size.isValid() and size.width() * size.height() > MOST_READ:
        raise NotFound(TOO_LARGE)
    if size.isValid() and max(size.width(), size.height()) > MOST_PIXELS:
        reader.setScaledSize(size.scaled(QSize(MOST_PIXELS, MOST_PIXELS), Qt.AspectRatioMode.KeepAspectRatio))
    image = reader.read()
    if image.isNull():
        raise NotFound(NO_FILE)
    return text_of(image)


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read(MOST_TEXT)
    except (OSError, ValueError):
        raise NotFound(NO_FILE) from None


class Reader(QObject):
    """Reads one thing after the other, beside the UI thread.

    Signals:
        read(str, str): the text, or "" and why there is none.
    """

    read = Signal(str, str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(1)

    def read_file(self, path: str) -> None:
        """Read a file; `read` tells."""
        self._pool.start(_Job(lambda: text_in(path), self.read.emit))

    def read_image(self, image: QImage) -> None:
        """Read a picture of the clipboard; `read` tells."""
        held = image.copy()
        self._pool.start(_Job(lambda: text_of(held), self.read.emit))


class _Job(QRunnable):
    def __init__(self, work: Callable[[], str], tell: Callable[[str, str], None]) -> None:
        super().__init__()
        self._work, self._tell = work, tell

    def run(self) -> None:
        """Do it, on a thread of the pool."""
        try:
            self._tell(self._work(), "")
        except NotFound as error:
            self._tell("", str(error))
        except Exception:  # of a library that reads what anybody made
            self._tell("", NO_FILE)
