"""What is said to a router's UPnP Internet Gateway Device: SSDP, its description, and SOAP (UPnP IGD 1 and 2).

Pure: text in, text out. All that comes from the network is bounded and read without entities or document types, so
that nothing in it can name a file or grow.
"""

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

from core.frozen import frozen

if TYPE_CHECKING:  # loaded with the first word of a router: 2 MB, and most peers hear none
    from xml.etree.ElementTree import Element

GROUP_6: Final = "[FF02::C]"  # the same of IPv6 (Annex A), as HOST has it
GROUP: Final = "239.255.255.250"  # SSDP's multicast group (UPnP Device Architecture 1.1, section 1)
PORT: Final = 1900
LONGEST: Final = 256 * 1024  # bytes of a description or an answer; a router's own are 3 to 20 KB
SEARCHED: Final = (
    "urn:schemas-upnp-org:device:InternetGatewayDevice:2",
    "urn:schemas-upnp-org:device:InternetGatewayDevice:1",
)
SERVICES: Final = (
    "urn:schemas-upnp-org:service:WANIPConnection:2",
    "urn:schemas-upnp-org:service:WANIPConnection:1",
    "urn:schemas-upnp-org:service:WANPPPConnection:1",
)
PINHOLES: Final = ("urn:schemas-upnp-org:service:WANIPv6FirewallControl:1",)
"""What opens a router's firewall for IPv6 (UPnP IGD 2)."""
ONLY_PERMANENT: Final = 725  # the router knows no lease that ends
TAKEN: Final = 718  # the port is mapped to another machine
NO_SUCH_ENTRY: Final = 714  # the port is mapped to nobody
PINHOLE_WORDS: Final = {
    606: "it does not allow this",
    701: "it has no place left for a pinhole",
    702: "its firewall for IPv6 is off",
    703: "its owner does not let it open pinholes",
}
"""WANIPv6FirewallControl's refusals that an owner can do something about, as words (its section 2.5.3.7)."""

_SPACE: Final = re.compile(rb"[\r\n]+")


class MalformedIgd(ValueError):
    """What a device says cannot be read, or names another machine."""


@frozen
class Service:
    """What of a router maps ports: its type and the address where it is asked."""

    kind: str
    control: str


@frozen
class Refused:
    """The router's refusal, as UPnP numbers it. `words` are its own, cut."""

    code: int
    words: str


def search(target: str, wait: int, group: str = GROUP) -> bytes:
    """Return SSDP's question for devices of a kind; they answer within `wait` seconds."""
    lines = ("M-SEARCH * HTTP/1.1", f"HOST: {group}:{PORT}", 'MAN: "ssdp:discover"', f"MX: {wait}", f"ST: {target}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


def location(datagram: bytes, sender: str) -> str | None:
    """Return where an answer to `search` says that the description is; None for any other datagram.

    It must be on the machine that answered: nobody has us ask a third one. `sender`: that machine's host.
    """
    lines = _SPACE.split(datagram[:4096])
    if not lines[0].startswith(b"HTTP/1.1 200"):
        return None
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"location":
            url = value.strip().decode("ascii", "replace")
            return url if is_on(url, sender) else None
    return None


def is_on(url: str, host: str) -> bool:
    """Return whether a URL is plain HTTP to that very host, and to a port that is given or 80."""
    try:
        parts = urlsplit(url)
        return parts.scheme == "http" and parts.hostname == host and parts.username is None and parts.port != 0
    except ValueError:
        return False


def _read(text: bytes) -> "Element":
    """Parse XML that has neither entities nor a document type. Raises MalformedIgd."""
    if len(text) > LONGEST:
        raise MalformedIgd("it is longer than a router's answer")
    words = text.decode("utf-8", "replace").lstrip("\ufeff")
    words = re.sub(r"^\s*<\?xml[^>]*\?>", "", words)  # it is text already, whatever encoding it names
    if "<!" in words and re.search(r"<!(?!--)", words):
        raise MalformedIgd("it has a document type")
    from xml.etree import ElementTree

    try:
        root = ElementTree.fromstring(words)  # neither it nor `iter` recurses, however deep it is
    except ElementTree.ParseError as error:
        raise MalformedIgd("it is no XML") from error
    return root


def _escaped(text: str) -> str:
    """Return a text as it stands between tags (XML 1.0 section 2.4)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _local(element: "Element") -> str:
    return element.tag.rpartition("}")[2]


def service(description: bytes, url: str, kinds: tuple[str, ...] = SERVICES) -> Service:
    """Return what of the described device does what is wanted, the newest kind first. Raises MalformedIgd.

    `url`: where the description was read, to which its addresses are relative; others are refused.
    """
    root = _read(description)
    host = urlsplit(url).hostname or ""
    found: dict[str, str] = {}
    base = url
    for element in root.iter():
        name = _local(element)
        if name == "URLBase" and element.text and is_on(element.text.strip(), host):
            base = element.text.strip()
        if name == "service":
            fields = {_local(child): (child.text or "").strip() for child in element}
            found.setdefault(fields.get("serviceType", ""), fields.get("controlURL", ""))
    for kind in kinds:
        control = found.get(kind)
        if control:
            try:
                whole = urljoin(base, control)
            except ValueError as error:  # half of an IPv6 address
                raise MalformedIgd("it names an address that is none") from error
            if is_on(whole, host):
                return Service(kind, whole)
            raise MalformedIgd("it sends us to another machine")
    raise MalformedIgd("it maps no ports" if kinds is SERVICES else "it opens no pinholes")


def call(to: Service, action: str, arguments: dict[str, str]) -> tuple[dict[str, str], bytes]:
    """Return the header fields and the body of a SOAP call."""
    inner = "".join(f"<{name}>{_escaped(value)}</{name}>" for name, value in arguments.items())
    body = (
        '<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" '
        's:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>'
        f'<u:{action} xmlns:u="{to.kind}">{inner}</u:{action}></s:Body></s:Envelope>'
    )
    return {"SOAPAction": f'"{to.kind}#{action}"', "Content-Type": 'text/xml; charset="utf-8"'}, body.encode()


def answer(body: bytes, action: str) -> dict[str, str] | Refused:
    """Return the values of a SOAP answer by name, or why it was refused. Raises MalformedIgd."""
    root = _read(body)
    for element in root.iter():
        if _local(element) == f"{action}Response":
            return {_local(child): (child.text or "").strip()[:256] for child in element}
        if _local(element) == "UPnPError":
            fields = {_local(child): (child.text or "").strip() for child in element}
            code = fields.get("errorCode", "")
            return Refused(
                int(code) if code.isdecimal() and len(code) < 6 else 501, fields.get("errorDescription", "")[:80]
            )
    raise MalformedIgd("it is no answer to what was asked")
