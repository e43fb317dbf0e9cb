"""Draw the program's icon as PNG files, for menus and for bundles: `.venv/bin/python scripts/app_icons.py`.

The files are kept in resources/app, so that neither a build nor `grapevine install` needs Qt for them.
"""

import os
from pathlib import Path

SIZES = (16, 24, 32, 48, 64, 128, 256, 512)  # pixels; freedesktop.org's icon theme, and 512 for macOS


def main() -> None:
    """Write all sizes."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from PySide6.QtGui import QGuiApplication

    from desktop.icons import pixmap

    application = QGuiApplication([])
    folder = Path(__file__).parents[1] / "resources" / "app"
    for size in SIZES:
        if not pixmap("grapevine", size).save(str(folder / f"grapevine-{size}.png"), "PNG"):
            raise SystemExit(f"could not write the icon of {size} pixels")
    del application


if __name__ == "__main__":
    main()
