"""Compile the engines by mypyc, into `core/_engines/<interpreter>/`; `core.compiled` says when they are used.

    make compile          (or: python -m scripts.engines [--if-needed | --can])

It needs mypy, a C compiler and Python's headers, and takes a minute or two; without one of them it says so and
exits 1.
`GRAPEVINE_COMPILE=1 pip install .` does the same by setup.py, in an environment of pip's own.
"""

import ast
import hashlib
import json
import os
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
# What pays: the modules that run for every packet and request. docs/benchmarks.md says how much, and what did not.
ROOMS = ("wire", "utp", "dht", "punch", "streams", "limits")
SINGLE = (
    "values", "peer_id", "scope", "aio/clock", "aio/turns",
    "net/pump", "net/channel", "net/segmentation", "net/intake", "net/endpoint", "net/detour",
    "net/more_sockets", "net/reader_socket", "net/udp_socket", "net/asked_at", "net/crowd", "net/probe_desk",
    "datagrams/mux", "nat/reflection", "relay/lanes",
    "rpc/feed", "rpc/connection", "rpc/deadlines", "rpc/idle", "rpc/places", "rpc/request_ids", "rpc/config",
    "rpc/client", "rpc/incoming", "rpc/answer", "rpc/memory", "rpc/fair_places", "rpc/connections", "rpc/progress",
    "secure/stream", "secure/session", "secure/frames", "secure/pipe",
    "serving/call", "serving/catalog", "serving/handler", "serving/quota", "trust/permissions", "ledger/record",
    "news/roster", "reach/remotes", "calling/ways", "calling/target", "calling/unless_silent",
    "grenache/work", "grenache/websocket", "grenache/ws_client",
    "calling/client", "calling/every_transport", "calling/outgoing", "calling/kept",
    "net/dual_socket", "net/joined", "own/addresses",
    "trust/store", "trust/audience", "ledger/ledger", "rendezvous/own_broker",
    "grape/http_connection", "grape/request_parser", "grape/api", "grape/payload", "grape/service", "grape/forgeries",
    "public/open_desk", "news/hub", "news/requests", "net/stream", "rpc/server", "reach/outreach",
    "serving/admission", "services/fibonacci", "services/service",
)  # fmt: skip
# These stay Python: constants, and what runs a few times a day, which would only make the bundle larger.
PYTHON = {
    "core.limits.bounds", "core.wire.igd", "core.wire.port_mapping", "core.wire.kept_list", "core.wire.open_message",
    "core.wire.peer_record", "core.punch.climb", "core.punch.climb_config", "core.punch.rungs", "core.punch.shots",
}  # fmt: skip
OPTIMISE = "-O2"
# Only Python looks into the library, and nothing is thrown through it: names and tables for others are 0.8 MB of it.
LEAN = ("-fvisibility=hidden", "-fno-asynchronous-unwind-tables") if os.name == "posix" else ()


def modules(root: Path = ROOT) -> list[str]:
    """Return the names of the modules that are compiled."""
    paths = [path for room in ROOMS for path in sorted((root / "core" / room).glob("*.py"))]
    paths += [root / "core" / f"{name}.py" for name in SINGLE]
    paths = [path for path in paths if path.is_file()]
    names = [".".join(path.relative_to(root).with_suffix("").parts) for path in paths if path.name != "__init__.py"]
    return [name for name in names if name not in PYTHON]


def path_of(name: str) -> str:
    """Return the source file of a module."""
    return name.replace(".", "/") + ".py"


def sources(names: Iterable[str], root: Path = ROOT) -> list[str]:
    """Return the files that these modules are made of, with what they import of ours: a type there is a layout here."""
    found: dict[str, None] = {}
    waiting = [path_of(name) for name in names]
    while waiting:
        path = waiting.pop()
        if path not in found and (root / path).is_file():
            found[path] = None
            waiting += _imported((root / path).read_text(encoding="utf-8"))
    return sorted(found)


def _imported(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("core"):
            yield path_of(str(node.module))
            yield path_of(f"{node.module}.{node.names[0].name}")
            yield from (path_of(f"{node.module}.{each.name}") for each in node.names[1:])
        elif isinstance(node, ast.Import):
            yield from (path_of(each.name) for each in node.names if each.name.startswith("core"))


def missing(*, mypy: bool = True) -> str:
    """Return what is missing to compile, as a sentence; "" when nothing is. Without `mypy`, that is not looked for."""
    if not Path(sysconfig.get_path("include"), "Python.h").is_file():
        return "the headers of Python are not installed (Debian: python3-dev)"
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    if sys.platform != "win32" and not any(shutil.which(each) for each in (compiler, "cc", "gcc", "clang")):
        return "there is no C compiler (Debian: gcc)"
    if not mypy:
        return ""
    try:
        import mypyc.build  # noqa: F401
        import setuptools  # noqa: F401
    except ImportError as error:
        return f"mypy is not installed ({error})"
    return ""


def build(target: Path, root: Path = ROOT, cache: Path | None = None) -> list[str]:
    """Compile into the directory `target`, whole or not at all; return the names of its files.

    `cache` keeps C and objects from one time to the next: what has not changed is not compiled again.
    """
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as scratch:
        work = cache or Path(scratch)
        work.mkdir(parents=True, exist_ok=True)
        os.chdir(root)  # mypy names modules by where they are
        try:
            stamp = manifest(root)  # before: what changes meanwhile makes it stale
            made = _compile(work)
        finally:
            os.chdir(before)
        fresh = target.with_name(f"{target.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        shutil.copy(made, fresh)
        (fresh / "manifest.json").write_text(json.dumps(stamp, indent=1) + "\n", encoding="utf-8")
        shutil.rmtree(target, ignore_errors=True)
        fresh.rename(target)
    return [made.name, "manifest.json"]


def manifest(root: Path) -> dict[str, Any]:
    """Return what `core.compiled` reads: the modules, and how each source is now."""
    from core.compiled import digest_of

    found = {}
    for name in sources(modules(root), root):
        stat = (root / name).stat()
        found[name] = [stat.st_size, stat.st_mtime_ns, digest_of(str(root / name))]
    return {"modules": modules(root), "sources": found}


def _doors(where: Path) -> str:
    """Write C that opens each module from outside, where mypyc makes a library for each; return its file."""
    from core.compiled import door

    lines = ["#include <Python.h>"]
    for name in modules(Path()):
        inner = f"CPyInit_{name.replace('.', '___')}"  # as mypyc names it (mypyc.namegen.exported_name)
        lines += [f"PyObject *{inner}(void);", f"PyMODINIT_FUNC PyInit_{door(name)}(void) {{ return {inner}(); }}"]
    where.write_text("\n".join([*lines, ""]), encoding="utf-8")
    return str(where)


def _compile(work: Path) -> Path:
    """Compile what the current directory holds; return the library."""
    from mypyc.build import mypycify
    from setuptools._distutils.ccompiler import new_compiler
    from setuptools._distutils.sysconfig import customize_compiler

    from core.compiled import LIBRARY, SUFFIX

    paths = [path_of(name) for name in modules(Path())]
    extensions = mypycify(
        ["--config-file", "pyproject.toml", *paths], group_name=LIBRARY.removesuffix("__mypyc"), multi_file=True,
        opt_level=OPTIMISE.removeprefix("-O"), debug_level="0", target_dir=str(work / "c"),
    )  # fmt: skip
    compiler = new_compiler()
    customize_compiler(compiler)

    def compiled(source: str, flags: list[str], include: list[str]) -> str:
        flags = [*flags, *LEAN]
        key = _digest(Path(source), flags, work / "c")
        done = work / "objects" / key
        if not done.exists():
            (object_,) = compiler.compile([source], str(work / "new" / key), include_dirs=include, extra_preargs=flags)
            done.parent.mkdir(parents=True, exist_ok=True)
            Path(object_).replace(done)
        named = done.with_suffix(".o")
        if not named.exists():
            os.link(done, named)
        return str(named)

    include = [sysconfig.get_path("include"), sysconfig.get_path("platinclude")]
    (library,) = [each for each in extensions if each.name == LIBRARY]  # the others are what `_doors` stands for
    sources = [*library.sources, _doors(work / "c" / "doors.c")]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        jobs = [
            pool.submit(compiled, source, library.extra_compile_args, [*include, *library.include_dirs])
            for source in sources
        ]
        objects = [job.result() for job in jobs]
    out = work / "lib" / (LIBRARY + SUFFIX)
    out.parent.mkdir(parents=True, exist_ok=True)
    compiler.link_shared_object(objects, str(out), extra_postargs=["-s"] if sys.platform == "linux" else [])
    return out


def _digest(source: Path, flags: list[str], headers: Path) -> str:
    digest = hashlib.sha256(repr((flags, sys.version)).encode() + source.read_bytes())
    for header in sorted(headers.glob("*.h")):
        digest.update(header.read_bytes())
    return digest.hexdigest()[:32]


def main() -> int:
    """Compile for this checkout; `--if-needed` only where what is there is stale."""
    from core.compiled import PURE, directory, engines, first_stale

    if "--can" in sys.argv[1:]:  # for scripts/setup, whose environment has no mypy
        print(engines() if engines() != PURE else missing(mypy=False) or "it can be done")  # noqa: T201
        return 0
    target = Path(directory())
    if "--if-needed" in sys.argv[1:] and (target / "manifest.json").exists():
        known = json.loads((target / "manifest.json").read_text(encoding="utf-8"))["sources"]
        if not first_stale(str(ROOT), known) and engines() != PURE:
            return 0
    if reason := missing():
        print(f"not compiled: {reason}", file=sys.stderr)  # noqa: T201
        return 1
    names = build(target, cache=ROOT / "build" / "engines")
    size = sum((target / name).stat().st_size for name in names)
    print(f"{len(modules())} modules compiled, {size / 1e6:.1f} MB in {target.relative_to(ROOT)}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
