"""Build the bundle from build.spec, and what to hand to a friend: `make bundle`.

    dist/grapevine/                               the bundle: run dist/grapevine/grapevine
    dist/grapevine-VERSION-linux-x86_64.tar.gz    the same in one file

A bundle that was built from these very sources is left as it is.
"""

import gzip
import hashlib
import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
DIST = ROOT / "dist"
BUNDLE = DIST / "grapevine"
STAMP = DIST / "built-from"
SOURCES = ("core", "desktop", "resources", "scripts", "build.spec", "pyproject.toml", "LICENSE")
MEGABYTE = 1_000_000  # bytes, as shops count
MOST_UNPACKED, MOST_PACKED = 150 * MEGABYTE, 60 * MEGABYTE  # issue 5, "Bundle"
REPRODUCIBLE = 1_767_225_600  # Unix seconds, 2026-01-01: the time of every file in the archive

_LICENCE = re.compile(r"(licen[cs]e|copying|notice|authors)", re.IGNORECASE)


def main() -> int:
    """Build unless it is there; return an exit code."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    system = {"darwin": "macos", "win32": "windows"}.get(sys.platform, sys.platform)
    archive = DIST / f"grapevine-{version}-{system}-{platform.machine()}.tar.gz"
    wanted = fingerprint()
    if STAMP.is_file() and STAMP.read_text() == wanted and BUNDLE.is_dir() and archive.is_file():
        _say("the bundle is up to date")
    else:
        started = time.monotonic()
        shutil.rmtree(DIST, ignore_errors=True)
        build()
        licences = collect_licences(BUNDLE / "licenses")
        pack(archive)
        STAMP.write_text(wanted)
        _say(f"built in {time.monotonic() - started:.0f} s, with the licences of {licences} distributions")
    unpacked, packed = size(BUNDLE), archive.stat().st_size
    _say(f"{BUNDLE.relative_to(ROOT)}: {unpacked / MEGABYTE:.1f} MB (at most {MOST_UNPACKED / MEGABYTE:.0f})")
    _say(f"{archive.relative_to(ROOT)}: {packed / MEGABYTE:.1f} MB (at most {MOST_PACKED / MEGABYTE:.0f})")
    return 0 if unpacked <= MOST_UNPACKED and packed <= MOST_PACKED else 1


def fingerprint() -> str:
    """Return what a bundle depends on: all sources, Python, and the versions of the packages."""
    digest = hashlib.sha256(sys.version.encode())
    for path in sorted(_source_files()):
        digest.update(f"{path.relative_to(ROOT)}\0".encode())
        digest.update(path.read_bytes())
    for name in sorted(f"{each.name}=={each.version}" for each in importlib.metadata.distributions()):
        digest.update(name.encode())
    return digest.hexdigest() + "\n"


def _source_files() -> Iterator[Path]:
    for name in SOURCES:
        path = ROOT / name
        found = path.rglob("*") if path.is_dir() else [path]
        yield from (each for each in found if each.is_file() and not {"__pycache__", "_engines"} & {*each.parts})


def build() -> None:
    """Compile the engines where that can be done, and run PyInstaller. Its log is shown only when it fails."""
    engines = [sys.executable, "-m", "scripts.engines", "--if-needed"]
    if subprocess.run(engines, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False).returncode:
        _say("the engines could not be compiled: the bundle has pure Python")
    command = [
        sys.executable, "-m", "PyInstaller", "--noconfirm", "--log-level", "WARN", "--distpath", str(DIST),
        "--workpath", str(ROOT / "build"), str(ROOT / "build.spec"),
    ]  # fmt: skip
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(REPRODUCIBLE), "PYTHONHASHSEED": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.stderr.write(done.stdout + done.stderr)
        raise SystemExit("PyInstaller could not build the bundle (see above)")


def collect_licences(folder: Path) -> int:
    """Copy the licences of what the bundle is made of; return of how many distributions there are some."""
    found = 0
    for each in map(importlib.metadata.distribution, sorted(_bundled("grapevine", {"desktop"}))):
        texts = [path for path in each.files or () if _LICENCE.search(path.name) and ".dist-info" in str(path)]
        place = folder / f"{each.name}-{each.version}"
        for path in texts:
            source = Path(str(each.locate_file(path)))
            if source.is_file():
                place.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, place / source.name)
        if not place.is_dir():
            place.mkdir(parents=True)
            licence = each.metadata.get("License-Expression") or each.metadata.get("License") or "see its home page"
            home = each.metadata.get("Home-page") or "; ".join(each.metadata.get_all("Project-URL") or ())
            (place / "LICENSE.txt").write_text(f"{each.name} {each.version}\nLicence: {licence}\n{home}\n")
        found += 1
    _system_licences(folder)
    return found


def _bundled(name: str, extras: set[str]) -> set[str]:
    """Return the distributions that one needs here, with itself."""
    found = {name}
    for text in importlib.metadata.requires(name) or ():
        wanted = Requirement(text)
        marker = wanted.marker
        if wanted.name not in found and (
            marker is None or any(marker.evaluate({"extra": extra}) for extra in extras | {""})
        ):
            found |= _bundled(wanted.name, set(wanted.extras))
    return found


def _system_licences(folder: Path) -> None:
    """Copy those of Python, Qt (LGPL), and of the libraries of a Debian system that are in the bundle."""
    common = Path("/usr/share/common-licenses")
    for name in ("LGPL-3", "LGPL-2.1", "GPL-3"):
        if (common / name).is_file():
            shutil.copyfile(common / name, folder / name)
    for place in (Path(sysconfig.get_path("stdlib")) / "LICENSE.txt", Path("/usr/share/doc/python3/copyright")):
        if place.is_file():
            shutil.copyfile(place, folder / "PYTHON.txt")
            break
    libraries = [f"*/{path.name}" for path in (BUNDLE / "_internal").glob("lib*.so*")]
    if shutil.which("dpkg-query") is None or not libraries:
        return
    told = subprocess.run(["dpkg-query", "-S", *libraries], capture_output=True, text=True, check=False).stdout
    for package in sorted({line.partition(":")[0] for line in told.splitlines()}):
        copyright = Path("/usr/share/doc") / package / "copyright"
        if copyright.is_file():
            (folder / "debian").mkdir(exist_ok=True)
            shutil.copyfile(copyright, folder / "debian" / f"{package}.txt")


def pack(archive: Path) -> None:
    """Write the archive: the same files give the same bytes."""
    with (
        archive.open("wb") as raw,
        gzip.GzipFile("", "wb", 9, raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        tar.add(BUNDLE, BUNDLE.name, filter=_plain)


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = REPRODUCIBLE, 0, 0, "", ""
    entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
    return entry


def size(folder: Path) -> int:
    """Return the bytes of all files below a folder, links not followed."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _say(text: str) -> None:
    sys.stderr.write(f"bundle: {text}\n")


if __name__ == "__main__":
    sys.exit(main())
