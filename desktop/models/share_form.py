"""What the sheet *Share something* asks for, for each thing that can be shared, and the share that comes of it."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from PySide6.QtCore import QCoreApplication

from core.errors import LocalError
from core.kinds.listening import Found
from core.kinds.share import Share
from core.trust.audience import Audience
from core.values import JsonValue

NAME_MAX: Final = 60  # bytes of a name that is proposed; a name may have 64 (core.wire.stream_opening)
ANSWERS: Final = frozenset({"json", "python", "values"})  # kinds that answer requests
UTP_ONLY: Final = ("utp",)
OVER_WEB: Final = ("utp", "http", "ws")
_NO_NAME: Final = re.compile(r"[^a-z0-9._]+")


@dataclass(frozen=True, slots=True)
class Form:
    """One thing that can be shared. `option` is its kind's; `flag` an option that is true or false, with its words.

    `ways`: the owner chooses whether a browser shows it. `browse`: "folder", "file" or "".
    """

    key: str
    title: str  # on the button that chooses it
    kind: str
    option: str
    label: str
    example: str
    about: str
    flag: str = ""
    flag_words: str = ""
    ways: bool = False
    browse: str = ""


FORMS: Final = (
    Form(
        "folder", "Folder", "folder", "path", "Folder", "/home/me/holiday",
        "Others see these files as pages in their browser, and can save them. They cannot change them.",
        flag="drop", flag_words="Drop box: others put files in, see nothing", browse="folder",
    ),
    Form(
        "values", "Program's output", "values", "command", "Command", "./temperature --every 5",
        "Every line that the program prints goes to all who watch. It runs as long as this is shared.",
    ),
    Form(
        "json", "Program that answers", "json", "command", "Command", "./read-temperature",
        "The program gets each request as a line of JSON on its standard input; what it prints is the answer.",
        flag="lines", flag_words="It runs on, and answers lines",
    ),
    Form(
        "device", "Another device in my home", "tcp", "target", "Address", "192.168.1.20:80",
        "A camera, a printer, a heating: others use it through this computer.", ways=True,
        flag="certificate", flag_words="Accept its certificate (https)",
    ),
    Form(
        "port", "Port", "tcp", "target", "Port", "8080",
        "A port of this computer.", ways=True,
    ),
    Form(
        "udp", "UDP port", "udp", "target", "Port", "51820",
        "A UDP port of this computer, or of another as HOST:PORT: a game, a VPN, a name server.",
    ),
    Form(
        "python", "Python function", "python", "target", "File and function", "~/garden.py:handle",
        "The function is called with each request, and runs as you: it can do all that you can.", browse="file",
    ),
)  # fmt: skip


def form_of(key: str) -> Form:
    """Return a form. Raises KeyError."""
    return {form.key: form for form in FORMS}[key]


@dataclass(frozen=True, slots=True)
class Entered:
    """What is in the sheet now."""

    form: Form
    text: str
    name: str
    audience: Audience = Audience.TRUSTED
    permanent: bool = True
    flagged: bool = False
    page: bool = False  # a browser shows it
    web: bool = False  # over HTTP and WebSocket too

    def share(self) -> Share:
        """Return the share that this is. Raises LocalError for a name that no service can have."""
        kind = "http" if self.form.ways and self.page else self.form.kind
        options: dict[str, JsonValue] = {self.form.option: self.text.strip()}
        if self.form.flag and self.flagged and not (self.form.ways and not self.page):
            options[self.form.flag] = True
        over = OVER_WEB if self.web and self.form.kind in ANSWERS else UTP_ONLY
        return Share(self.name.strip(), kind, options, self.audience, self.permanent, transports=over)


def over_web(transports: Collection[str]) -> bool:
    """Return whether one of these is over HTTP or WebSocket."""
    return any(each not in UTP_ONLY for each in transports)


def _tr(words: str) -> str:
    return QCoreApplication.translate("share_form", words)


def problem(entered: Entered, taken: Collection[str]) -> str:
    """Return what is still missing or wrong, without looking at the machine; "" when nothing is."""
    if not entered.text.strip():
        return _tr("Fill in: {label}.").format(label=_tr(entered.form.label))
    return name_problem(entered.name.strip(), taken)


def name_problem(name: str, taken: Collection[str]) -> str:
    """Return what is wrong with a name for a share; "" when nothing is."""
    if not name:
        return _tr("Give it a name.")
    if name in taken:
        return _tr("{name} is shared already: choose another name.").format(name=name)
    try:
        Share(name, "")
    except LocalError as error:
        return f"{str(error).rstrip('.')}."
    return ""


def proposed_name(form: Form, text: str) -> str:
    """Return a name for what was entered: the folder's, the program's, the port's."""
    text = text.strip().rstrip("/")
    if not text:
        return ""
    if form.kind in ("folder", "values", "json"):
        word = text if form.kind == "folder" else text.split()[0]
        last = re.split(r"[/\\]", word)[-1]
        return _as_name(last if form.kind == "folder" else last.rpartition(".")[0] or last)
    if form.kind == "python":
        return _as_name(re.split(r"[/\\]", text.rpartition(":")[0] or text)[-1].removesuffix(".py"))
    return _as_name(f"{form.key}-{text.rpartition(':')[2]}")


def found_name(found: Found) -> str:
    """Return a name for what listens already: `home-assistant`, `node-3000`."""
    if found.title and found.title != "Web page":
        return _as_name(found.title.partition(",")[0])
    return _as_name(f"{found.program or 'page'}-{found.port}")


def _as_name(text: str) -> str:
    return _NO_NAME.sub("-", text.lower()).strip("-.")[:NAME_MAX].strip("-.")
