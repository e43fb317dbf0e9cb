"""A share: what its owner chose to offer, as the settings keep it. It says what to run, and runs nothing."""

from collections.abc import Collection, Mapping
from dataclasses import field
from typing import Final

from core.errors import LocalError
from core.frozen import frozen
from core.trust.audience import EVERY_SERVICE, Audience
from core.values import JsonValue
from core.wire.stream_opening import check_name

MAX_SHARES: Final = 64  # of one peer; a window lists them, and a record names 32 at most
UTP_ONLY: Final = ("utp",)
BAD: Final = "ERR_SHARE"  # a share that cannot be, as the owner wrote it


@frozen
class Share:
    """`options` are the kind's own. `permanent`: it is kept, and starts again when `on`."""

    name: str
    kind: str
    options: Mapping[str, JsonValue] = field(default_factory=dict)
    audience: Audience = Audience.TRUSTED
    permanent: bool = True
    on: bool = True
    transports: tuple[str, ...] = ("utp",)  # core.grenache.config.TRANSPORTS

    def __post_init__(self) -> None:
        """Raise LocalError (ERR_NAME) for a name that no service can have."""
        check_name(self.name)
        if self.name == EVERY_SERVICE:
            raise LocalError(f"{self.name!r} stands for every service: choose another name", name="ERR_NAME")

    def to_json(self) -> dict[str, JsonValue]:
        """Return what the settings file keeps."""
        return {
            "name": self.name,
            "kind": self.kind,
            "options": dict(self.options),
            "audience": self.audience.value,
            "on": self.on,
            **({} if self.transports == UTP_ONLY else {"transports": list[JsonValue](self.transports)}),
        }

    @classmethod
    def from_json(cls, value: JsonValue) -> "Share":
        """Read what `to_json` gave. Raises LocalError. An audience that cannot be understood is nobody: OFF."""
        if not isinstance(value, dict):
            raise LocalError("a share is an object with a name and a kind", name=BAD)
        name, kind, options = value.get("name"), value.get("kind"), value.get("options", {})
        if not isinstance(name, str) or not isinstance(kind, str) or not isinstance(options, dict):
            raise LocalError("a share has a name, a kind and an object of options", name=BAD)
        return cls(
            name, kind, options, _audience(value.get("audience")), permanent=True, on=value.get("on") is True,
            transports=_transports(value.get("transports")),
        )  # fmt: skip


def _audience(value: JsonValue) -> Audience:
    if isinstance(value, str) and value in set(Audience):
        return Audience(value)
    return Audience.OFF


def _transports(value: JsonValue) -> tuple[str, ...]:
    """Return what is written; what cannot be understood opens nothing beside uTP."""
    if isinstance(value, list) and value and all(each in ("utp", "http", "ws", "pub") for each in value):
        return tuple(str(each) for each in value)
    return UTP_ONLY


def text_option(share: Share, key: str) -> str:
    """Return an option that is a text. Raises LocalError."""
    value = share.options.get(key)
    if not isinstance(value, str) or not value.strip():
        raise LocalError(f"{share.name}: a {share.kind} share needs {key!r}, a text", name=BAD)
    return value


def flag_option(share: Share, key: str) -> bool:
    """Return an option that is true or false; false when it is not there. Raises LocalError.

    What is meant to be true and is written otherwise is an error, never false: it may be what closes a share.
    """
    value = share.options.get(key, False)
    if not isinstance(value, bool):
        raise LocalError(f"{share.name}: {key!r} is true or false", name=BAD)
    return value


def check_options(share: Share, known: Collection[str]) -> None:
    """Raise LocalError for an option that this kind does not know: it may be a mistyped one that closes a share."""
    for key in share.options:
        if key not in known:
            has = ", ".join(sorted(known))
            raise LocalError(f"{share.name}: a {share.kind} share has no option {key[:40]!r}; it has {has}", name=BAD)


def number_option(share: Share, key: str, default: float, least: float, most: float) -> float:
    """Return an option that is a number within bounds, or its default. Raises LocalError."""
    value = share.options.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise LocalError(f"{share.name}: {key!r} is a number from {least:g} to {most:g}", name=BAD)
    return float(value)
