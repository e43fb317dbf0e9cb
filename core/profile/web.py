"""Where services are opened over HTTP and WebSocket, as the settings keep it: one port for all of a profile's shares.

What is given on a command line takes the place of all of it.
"""

from dataclasses import replace
from pathlib import Path
from typing import Final

from core.grenache.config import Tls, WebConfig
from core.profile.fields import Settings
from core.profile.place import read_place
from core.values import Address

HERE: Final = WebConfig().host


def web_config(settings: Settings) -> WebConfig:
    """Return where services are opened. Half of what TLS needs opens nothing: its files cannot be read then."""
    host, port = read_place(settings.web_listen) if settings.web_listen else (HERE, 0)
    names = (settings.web_certificate, settings.web_key, settings.web_authority)
    tls = None
    if any(names) or settings.web_certificate_required:
        certificate, key, authority = (Path(name) if name else None for name in names)
        tls = Tls(certificate or Path(), key or Path(), authority, settings.web_certificate_required)
    return WebConfig(host, port, tls, settings.web_origins, settings.web_map)


def with_web(settings: Settings, web: WebConfig) -> Settings:
    """Return the settings with another place; files are kept by their whole paths."""
    tls = web.tls
    return replace(
        settings,
        web_listen="" if (web.host, web.port) == (HERE, 0) else str(Address(web.host, web.port)),
        web_certificate="" if tls is None else str(tls.certificate.absolute()),
        web_key="" if tls is None else str(tls.key.absolute()),
        web_authority="" if tls is None or tls.ca is None else str(tls.ca.absolute()),
        web_certificate_required=tls is not None and tls.required,
        web_origins=web.origins,
        web_map=web.map,
    )
