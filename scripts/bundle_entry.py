"""What the bundle's program runs: `grapevine`, as the console script of an installation does."""

import os
import sys

from core.cli import main

inside = os.path.join(sys._MEIPASS, "PySide6")  # type: ignore[attr-defined]
plugins = os.path.join(inside, "plugins") if sys.platform == "win32" else os.path.join(inside, "Qt", "plugins")
os.environ["QT_PLUGIN_PATH"] = plugins  # Qt's parts are these and no others of the machine

# For this program alone, which has read it: the bundle's libraries are not for the programs that it starts.
was = os.environ.pop("LD_LIBRARY_PATH_ORIG", None)
os.environ.pop("LD_LIBRARY_PATH", None)
if was is not None:
    os.environ["LD_LIBRARY_PATH"] = was

main()
