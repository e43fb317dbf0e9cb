"""What the command line prints: JSON objects for programs, sentences for people."""

import asyncio
import contextlib
import json
import os
import stat
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from core.cli.sink import Sink
from core.errors import LocalError, PeerError
from core.files.shown import plain
from core.values import JsonValue

if TYPE_CHECKING:
    from core.cli.punches import PunchLines
    from core.news.events import PeerEvent

FILE_WAITS = 0.1  # seconds that a line waits for others where stdout is a file: a system call each took 5 us a request


def dumps(value: JsonValue) -> str:
    """Return compact JSON on one line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class Output:
    """Prints for one command: everything with `--json`, and for people what `quiet` leaves."""

    def __init__(self, *, as_json: bool, quiet: bool = False) -> None:
        self.as_json = as_json
        self.failed: PeerError | None = None  # why nothing can be printed
        self.reader_gone: Callable[[], None] | None = None  # called once, when nobody reads our output any more
        self.broke: Callable[[], object] | None = None  # called once, when it cannot be written, as to a full disk
        self._quiet = quiet
        self._booked: asyncio.TimerHandle | None = None  # what was printed to a file waits for this
        self._sink = Sink(self._broke, self._left_out)
        self._punches: PunchLines | None = None

    def event(self, event: "PeerEvent") -> None:
        """Print something that happened."""
        from core.cli.event_lines import TOLD_ASIDE, event_fields, event_sentence

        if self.as_json:
            self._line(dumps(event_fields(event)))
        elif not self._quiet and not isinstance(event, TOLD_ASIDE) and not self._gathered(event):
            self._line(event_sentence(event))

    def result(self, kind: str, text: str, /, **fields: JsonValue) -> None:
        """Print what the command was asked for: `text` for people, `fields` as an event of this kind."""
        self._line(dumps({"event": kind, **fields}) if self.as_json else text)

    def news(self, kind: str, text: str, /, **fields: JsonValue) -> None:
        """Print something that the command did, unless people asked for quiet."""
        if self.as_json or not self._quiet:
            self.result(kind, text, **fields)

    def notice(self, sentence: str) -> None:
        """Say something that somebody should know, on stderr, where it is in no program's way."""
        with contextlib.suppress(OSError, ValueError):  # nobody can be told
            click.echo(plain(sentence), err=True)

    def failure(self, error: PeerError) -> None:
        """Print why the command failed: on stderr always, and as an event with `--json`.

        It is one line, whatever it quotes; each reason of `NoAnswer` is one more.
        """
        from core.cli.reasons import NoAnswer  # with the events' own modules

        first, reasons = (error.sentence, error.reasons) if isinstance(error, NoAnswer) else (str(error), ())
        lines = [plain(f"{error.name}: {first}"), *(f"  {plain(reason)}" for reason in reasons)]
        if self.as_json:
            self._line(dumps({"event": "error", "error": error.name, "message": str(error)}))
        with contextlib.suppress(OSError, ValueError):
            click.echo("\n".join(lines), err=True)

    def flush(self, patience: float | None = None) -> None:
        """Write out what waits for others; for a slow reader for so many seconds at most."""
        if self._booked is not None:
            self._booked.cancel()
            self._booked = None
            self._to_file("")
        self._sink.flush(patience)

    async def drained(self) -> None:
        """Wait until the reader has taken all: for values that come faster, and of which none may be lost."""
        await self._sink.drained()

    def _gathered(self, event: "PeerEvent") -> bool:
        """Return whether it is a punch: those are told together."""
        if self._punches is None:
            from core.cli.punches import PunchLines

            self._punches = PunchLines(self._line)
        return self._punches.take(event)

    def _line(self, text: str) -> None:
        if _is_file():
            self._to_file(f"{_printable(text)}\n")
        else:
            self._sink.write(_printable(text))

    def _to_file(self, text: str) -> None:
        """Write with what else comes within FILE_WAITS."""
        try:
            sys.stdout.write(text)
            if not text or not self._book():
                sys.stdout.flush()
        except OSError as error:
            self._broke(error)

    def _left_out(self, lines: int) -> str:
        said = f"({lines:,} lines are left out here: nobody read them in time)"
        return dumps({"event": "left-out", "lines": lines}) if self.as_json else said

    def _broke(self, error: OSError) -> None:
        self._give_up()
        if isinstance(error, BrokenPipeError):
            if self.reader_gone is not None:
                self.reader_gone()
            return
        self.failed = LocalError(f"the output cannot be written: {error.strerror or error}", name="ERR_OUTPUT")
        if self.broke is not None:
            self.broke()

    def _book(self) -> bool:
        """See to it that what was written leaves soon; False: there is no loop, so it has to leave now."""
        if self._booked is None:
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                return False
            self._booked = loop.call_later(FILE_WAITS, self.flush)
        return True

    def _give_up(self) -> None:
        """Print nowhere for the rest of the process, also at its exit."""
        with contextlib.suppress(OSError, ValueError):
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115


def _is_file() -> bool:
    """Return whether stdout is a regular file: nobody sees a line there as it happens."""
    try:
        return stat.S_ISREG(os.fstat(sys.stdout.fileno()).st_mode)
    except (OSError, ValueError, AttributeError):  # closed, or no file at all, as in a test
        return False


def _printable(text: str) -> str:
    """Return text with what stdout cannot encode, half a surrogate pair in a peer's JSON at least, as escapes."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)
