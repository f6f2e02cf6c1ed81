"""Where answers go: judged when a call is accepted, as far as an address says by itself."""

import ipaddress
from urllib.parse import urlsplit

from mailq.core.address import InvalidAddress, normalise
from mailq.core.call import ResponseType
from mailq.errors import BadInput

_LONGEST_URL = 2000


def require_response_address(kind: ResponseType, said: object, where: str) -> str | None:
    """The address of an answer, in its ordinary form; None of an answer that is not sent.

    Raises:
        BadInput: it is missing, or none for this kind.
    """
    if kind is ResponseType.NONE:
        return None
    if not isinstance(said, str):
        raise BadInput(f"response_address: is missing; {kind} needs it", field=where)
    return _mailbox(said, where) if kind is ResponseType.EMAIL else _url(said, where)


def _mailbox(said: str, where: str) -> str:
    try:
        return normalise(said).text
    except InvalidAddress as error:
        raise BadInput(f"response_address: {error.reason}", field=where) from None


def _url(said: str, where: str) -> str:
    """What a name resolves to is judged when it is sent to: it may be another address by then."""
    try:
        parts = urlsplit(said)
        fits = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fits = False
    if not (fits and len(said) <= _LONGEST_URL and said.isascii() and said.isprintable() and " " not in said):
        raise BadInput("response_address: must be a URL, http:// or https://, in printable ASCII", field=where)
    if parts.username is not None or parts.password is not None:
        raise BadInput("response_address: must not contain a user or a password; answers are signed", field=where)
    return said


def literal_address(url: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The IP address that a URL names; None if it has a name to be looked up."""
    try:
        return ipaddress.ip_address(urlsplit(url).hostname or "")
    except ValueError:
        return None
