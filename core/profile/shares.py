"""The permanent shares and openings of a profile, as its settings keep them. The window and the command line use this.

A share that cannot be read is kept as it is, and not run. One whose audience cannot be read is for nobody.
"""

from dataclasses import replace
from typing import Final, NamedTuple

from core.errors import LocalError
from core.frozen import frozen
from core.kinds.share import BAD, MAX_SHARES, Share
from core.peer_id import PeerId
from core.profile.fields import Settings
from core.values import JsonValue

_DAMAGED: Final = "\ufffd"  # what reading a damaged file puts in the place of what it could not read


class KeptShares(NamedTuple):
    """`problems` are sentences about the entries that are kept and not run."""

    shares: tuple[Share, ...]
    problems: tuple[str, ...]


@frozen
class KeptUse:
    """A service of another peer that is opened again at the next start, if `at_login`. `port` 0 is any free one.

    `kind` may be empty: then the peer is asked.
    """

    peer_id: PeerId
    service: str
    kind: str = ""
    port: int = 0
    at_login: bool = True

    def to_json(self) -> dict[str, JsonValue]:
        """Return what the settings file keeps."""
        return {
            "peer_id": str(self.peer_id),
            "service": self.service,
            "kind": self.kind,
            "port": self.port,
            "at_login": self.at_login,
        }

    @classmethod
    def from_json(cls, value: JsonValue) -> "KeptUse":
        """Read what `to_json` gave. Raises LocalError."""
        members = value if isinstance(value, dict) else {}
        peer_id, service, kind = members.get("peer_id"), members.get("service"), members.get("kind", "")
        port = members.get("port", 0)
        if not isinstance(peer_id, str) or not isinstance(service, str) or not service or not isinstance(kind, str):
            raise LocalError("an opening has a peer_id, a service and a kind, each a text", name=BAD)
        if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65535:
            raise LocalError(f"the opening of {service[:40]!r} has no port from 0 to 65535", name=BAD)
        try:
            return cls(PeerId.parse(peer_id), service, kind, port, members.get("at_login") is True)
        except ValueError as error:
            raise LocalError(f"the opening of {service[:40]!r}: {error}", name=BAD) from None


def kept_shares(settings: Settings) -> KeptShares:
    """Return the shares that can be read. Two of one name are both left out: nobody knows which of them is meant."""
    found: list[Share] = []
    problems: list[str] = []
    for number, entry in enumerate(settings.shares, 1):
        try:
            found.append(_share(entry))
        except LocalError as error:
            problems.append(f"Share {number} of the settings is kept, but cannot be used: {error}.")
    names = [share.name for share in found]
    twice = {name for name in names if names.count(name) > 1}
    problems += [f"{name!r} is in the settings twice: neither is shared." for name in sorted(twice)]
    return KeptShares(tuple(share for share in found if share.name not in twice), tuple(problems))


def words_of(share: Share) -> str:
    """Return what a share stands for, for its owner: its kind and what it names."""
    what = share.options.get("target") or share.options.get("path") or share.options.get("command") or ""
    return f"{share.kind} {what}{', a drop box' if share.options.get('drop') else ''}"


def kept_uses(settings: Settings) -> tuple[KeptUse, ...]:
    """Return the openings that can be read."""
    found = []
    for entry in settings.uses:
        try:
            found.append(KeptUse.from_json(entry))
        except LocalError:
            continue
    return tuple(found)


def with_share(settings: Settings, share: Share) -> Settings:
    """Return the settings with this share, in the place of the one of its name. Raises LocalError when it is full."""
    entries = [entry for entry in settings.shares if _name(entry) != share.name]
    if len(entries) >= MAX_SHARES:
        raise LocalError(f"{MAX_SHARES} shares are the most: remove one first", name=BAD)
    at = next((index for index, entry in enumerate(settings.shares) if _name(entry) == share.name), len(entries))
    entries.insert(at, share.to_json())
    return replace(settings, shares=tuple(entries))


def without_share(settings: Settings, name: str) -> Settings:
    """Return the settings without the share of this name. Raises LocalError when there is none."""
    entries = tuple(entry for entry in settings.shares if _name(entry) != name)
    if len(entries) == len(settings.shares):
        known = ", ".join(filter(None, map(_name, settings.shares))) or "none"
        raise LocalError(f"there is no permanent share {name!r}; permanent shares: {known}", name=BAD)
    return replace(settings, shares=entries)


def switched(settings: Settings, name: str, on: bool) -> Settings:
    """Return the settings with a share on or off. Raises LocalError for one that is not there or cannot be read."""
    for share in kept_shares(settings).shares:
        if share.name == name:
            return with_share(settings, replace(share, on=on))
    without_share(settings, name)  # which raises when there is none
    raise LocalError(f"the share {name!r} of the settings cannot be read: remove it, and share it again", name=BAD)


def with_use(settings: Settings, use: KeptUse) -> Settings:
    """Return the settings with this opening, in the place of the one of the same service. Raises LocalError."""
    left = without_use(settings, use.peer_id, use.service).uses
    if len(left) >= MAX_SHARES:
        raise LocalError(f"{MAX_SHARES} openings are the most: remove one first", name=BAD)
    return replace(settings, uses=(*left, use.to_json()))


def without_use(settings: Settings, peer_id: PeerId, service: str) -> Settings:
    """Return the settings without the opening of this service. Idempotent."""
    left = tuple(entry for entry in settings.uses if _place(entry) != (peer_id, service))
    return replace(settings, uses=left)


def _share(entry: JsonValue) -> Share:
    if _is_damaged(entry):
        raise LocalError("a part of it could not be read", name=BAD)
    return Share.from_json(entry)


def _is_damaged(value: JsonValue) -> bool:
    """Return whether something of a value is missing: without it a share may mean more than its owner wanted."""
    if isinstance(value, dict):
        return any(_DAMAGED in key or _is_damaged(each) for key, each in value.items())
    if isinstance(value, list):
        return any(map(_is_damaged, value))
    return isinstance(value, str) and _DAMAGED in value


def _name(entry: JsonValue) -> str:
    name = entry.get("name") if isinstance(entry, dict) else None
    return name if isinstance(name, str) else ""


def _place(entry: JsonValue) -> tuple[PeerId, str] | None:
    try:
        use = KeptUse.from_json(entry)
    except LocalError:
        return None
    return use.peer_id, use.service
