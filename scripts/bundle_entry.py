"""What the bundle's program runs: `grapevine`, as the console script of an installation does."""

import os
import sys

from core.cli import main

inside = os.path.join(sys._MEIPASS, "PySide6")  # type: ignore[attr-defined]
plugins = os.path.join(inside, "plugins") if sys.platform == "win32" else os.path.join(inside, "Qt", "plugins")
os.environ["QT_PLUGIN_PATH"] = plugins  # Qt's parts are these and no others of the machine

main()
