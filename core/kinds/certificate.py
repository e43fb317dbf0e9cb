"""Certificates that nobody vouches for, as pages of routers and cameras have: one is accepted by its fingerprint."""

import asyncio
import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from core.errors import LocalError, reason_of_os
from core.kinds.share import BAD, Share

if TYPE_CHECKING:  # 12 MB: only where a certificate is accepted
    import aiohttp

PREFIX: Final = "sha256:"  # of a fingerprint: SHA-256 of the certificate's DER bytes, as browsers show it
DIGEST_BYTES: Final = 32
FETCH_TIMEOUT: Final = 10.0  # seconds to connect and shake hands; as for any port of the home


def fingerprint(certificate: bytes) -> str:
    """Return the fingerprint of a certificate in DER."""
    return PREFIX + hashlib.sha256(certificate).hexdigest()


def accepted(share: Share) -> "aiohttp.Fingerprint | None":
    """Return what the option `certificate` accepts, and nothing else is accepted then; None without it.

    Raises LocalError for what is no fingerprint: `sha256:` and 64 hexadecimal digits, with or without colons.
    """
    value = share.options.get("certificate")
    if value is None:
        return None
    text = value.lower() if isinstance(value, str) else ""
    try:
        digest = bytes.fromhex(text.removeprefix(PREFIX).replace(":", ""))
    except ValueError:
        digest = b""
    if len(digest) != DIGEST_BYTES:
        raise LocalError(f"{share.name}: 'certificate' is {PREFIX} and 64 hexadecimal digits", name=BAD)
    import aiohttp

    return aiohttp.Fingerprint(digest)


async def settled(share: Share) -> Share:
    """Return a share whose `certificate` is true with the fingerprint of what its page shows now; others as they are.

    Raises LocalError when there is none.
    """
    if share.options.get("certificate") is not True:
        return share
    url = urlsplit(str(share.options.get("target", "")).strip())
    if share.kind != "http" or url.scheme != "https" or not url.hostname:
        raise LocalError("a certificate is accepted of a page that is shared as https://... only", name=BAD)
    return replace(share, options={**share.options, "certificate": await fetch(url.hostname, url.port or 443)})


async def fetch(host: str, port: int) -> str:
    """Return the fingerprint of the certificate that a server shows now, signed or not. Raises LocalError."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # it is looked at, and nothing is sent
    try:
        async with asyncio.timeout(FETCH_TIMEOUT):
            _, writer = await asyncio.open_connection(host, port, ssl=context)
    except (OSError, TimeoutError) as error:
        why = "no answer in time" if isinstance(error, TimeoutError) else reason_of_os(error)
        raise LocalError(f"the certificate of {host}:{port} cannot be read: {why}", name=BAD) from None
    shown = writer.get_extra_info("ssl_object")
    certificate = shown.getpeercert(binary_form=True) if shown is not None else None
    writer.transport.abort()
    if not certificate:
        raise LocalError(f"{host}:{port} shows no certificate", name=BAD)
    return fingerprint(certificate)
