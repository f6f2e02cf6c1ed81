"""Where the HTTP API is, and the key that opens it."""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from mailq import urls
from mailq.errors import Misconfigured

_KEY = re.compile(r"[\x21-\x7e]{1,500}\Z")
_NAME = "the address of the API"


@dataclass(frozen=True, slots=True)
class Address:
    """The address of an API.

    Attributes:
        base: what stands before `/v1`; no password, and fit to be shown.
        loopback: whether it is on this machine.
    """

    base: str
    loopback: bool

    def url(self, path: str) -> str:
        """Of something below `/v1`."""
        return f"{self.base}/v1{path}"


def parse_address(url: str) -> Address:
    """Read `https://host/prefix`, with or without `/v1` at its end.

    Over plain HTTP everybody in between reads the key and the recipients: but for this machine, `?plaintext=allow` must ask for it.

    Raises:
        Misconfigured: it is none, or plain HTTP to elsewhere. The text repeats no password.
    """
    base = urls.shown(url, _NAME)
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise Misconfigured(f"{_NAME} is no URL; write https://mailq.example")
    if parts.username is not None or parts.password is not None:
        raise Misconfigured(f"{_NAME} holds a user or password; the API key is given as `key`, and nothing else is needed")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    plaintext = options.pop("plaintext", None)
    if options or plaintext not in {None, "allow"} or parts.fragment:
        raise Misconfigured(f"{_NAME} knows one option: `?plaintext=allow`")
    loopback = _is_loopback(parts.hostname)
    if parts.scheme == "http" and not loopback and plaintext is None:
        raise Misconfigured(
            f"{base} is not encrypted: whoever is in between reads the API key and all recipients. Write https://, or add "
            "`?plaintext=allow` where the network is yours"
        )
    return Address(base.rstrip("/").removesuffix("/v1"), loopback)


def require_key(key: str | None) -> str:
    """The API key, as it goes into a header.

    Raises:
        Misconfigured: there is none, or it cannot be one. The text does not repeat it.
    """
    if key is None:
        raise Misconfigured('the HTTP API needs an API key: Client("https://…", key="mq_…"); `mailqctl key create` makes one')
    if not _KEY.match(key):
        raise Misconfigured("the API key is none: it is one line of visible ASCII without blanks")
    return key


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
