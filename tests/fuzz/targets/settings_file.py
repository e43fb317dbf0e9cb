"""A settings file is sound settings, which are written and read again the same, or everything is closed and said so.
Whatever is in it, `load` raises nothing, the file is not lost, the sentence is short, and what is confirmed is sound.
"""

import tempfile
from pathlib import Path

from core.profile.fields import CLOSED
from core.profile.settings import Settings, SettingsStore
from core.trust.audience import Audience

WATCHED = ["core.profile.settings", "core.profile.document", "core.profile.fields"]
_PLACE = tempfile.TemporaryDirectory(prefix="fuzz-settings-")
_ROOT = Path(_PLACE.name)


def _saved(settings: Settings) -> bytes:
    store = SettingsStore(root=_ROOT)
    store.save(settings)
    data = store.path.read_bytes()
    store.path.unlink()
    return data


SEEDS = [
    _saved(Settings()),
    _saved(
        Settings(("http://192.0.2.7:30001",), ("192.0.2.7:20001",), 0, 0, 1337, ("fibonacci",), {"x": Audience.TRUSTED})
    ),
    b'{"schema": 1, "udp_port": true}',
    b'{"schema": 2}',
]
MAX_INPUT = 2048


def run(data: bytes) -> None:
    for old in _ROOT.iterdir():
        old.unlink()
    store = SettingsStore(root=_ROOT)
    store.path.write_bytes(data)
    settings = store.load()
    if store.problem is None:
        settings.validate()
        store.save(settings)
        if store.load() != settings or store.problem is not None:
            raise AssertionError(f"{settings} is not what it reads back as")
        return
    if any(getattr(settings, name) != value for name, value in CLOSED.items()) or not 0 < len(store.problem) < 1000:
        raise AssertionError("a damaged file opened something, or its sentence is a page")
    if [path.read_bytes() for path in _ROOT.iterdir()] != [data]:
        raise AssertionError("the file is lost")
    confirmed = store.confirm()
    if store.load() != confirmed or store.problem is not None:
        raise AssertionError(f"{confirmed} is not what it reads back as")
