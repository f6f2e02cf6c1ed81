"""A relay's URL: `smtp://user:password@host:587?tls=verified`."""

import ipaddress
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from mailq.errors import Misconfigured
from mailq.transports.smtp.security import Mechanism, Tls

_PORTS = {"smtp": 25, "smtps": 465}
_HOST_NAME = re.compile(r"[A-Za-z0-9_.:\[\]-]{1,255}")


def read(url: str) -> dict[str, Any]:
    """The attributes of `SmtpOptions` that a URL says.

    Without `tls`, a relay that gets a password must prove who it is; one that gets none is encrypted to where it offers it.

    Raises:
        Misconfigured: the URL is at fault; the text never repeats it, for it may hold a password.
    """
    parts, port = _split(url)
    found: dict[str, Any] = {
        "host": parts.hostname,
        "port": _PORTS[parts.scheme] if port is None else port,
        "implicit_tls": parts.scheme == "smtps",
        "username": unquote(parts.username) if parts.username else None,
        "password": unquote(parts.password) if parts.password is not None else None,
    }
    found |= _from_query(parts)
    if "tls" not in found:
        trusting = found["username"] is None or found.get("plaintext_auth", False)
        found["tls"] = Tls.OPPORTUNISTIC if trusting and not found["implicit_tls"] else Tls.VERIFIED
    _require_sense(found)
    return found


def _split(url: str) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Misconfigured("the relay URL cannot be read; write smtp://user:password@host:25") from None
    if parts.scheme not in _PORTS or not parts.hostname or parts.path not in ("", "/") or parts.fragment:
        raise Misconfigured("the relay URL must look like smtp://host:25 or smtps://user:password@host:465")
    return parts, port


def _require_sense(found: dict[str, Any]) -> None:
    if found["implicit_tls"] and found["tls"] in (Tls.OFF, Tls.OPPORTUNISTIC):
        raise Misconfigured("the relay URL says smtps, which is always encrypted: tls=verified or tls=required")
    if found["tls"] is Tls.OFF and found["username"] is not None and not found.get("plaintext_auth"):
        raise Misconfigured("the relay URL has a password and tls=off: say plaintext_auth=allow if it may be sent in the clear")
    if found.get("auth") is not None and found["username"] is None:
        raise Misconfigured("the relay URL names a mechanism (auth=) and no user")


def _from_query(parts: SplitResult) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        try:
            attribute, read_value = _OPTIONS[name]
            found[attribute] = read_value(value)
        except (KeyError, ValueError):
            known = ", ".join(f"{name}={_FORMS[name]}" for name in _OPTIONS)
            raise Misconfigured(f"the relay URL's option {name!r} is not known, or not so: {known}") from None
    return found


def _one_of(values: dict[str, Any]) -> Callable[[str], Any]:
    return values.__getitem__


def _path(text: str) -> str:
    if not text:
        raise ValueError
    return text


def _host_name(text: str) -> str:
    # It is said in EHLO: a line end in it would be a command.
    if not _HOST_NAME.fullmatch(text):
        raise ValueError
    return text


def _address(text: str) -> str:
    return str(ipaddress.ip_address(text))


_OPTIONS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "tls": ("tls", Tls),
    "starttls": ("tls", _one_of({"require": Tls.VERIFIED})),
    "auth": ("auth", Mechanism),
    "plaintext_auth": ("plaintext_auth", _one_of({"allow": True})),
    "ca_file": ("ca_file", _path),
    "local_hostname": ("local_hostname", _host_name),
    "source_address": ("source_address", _address),
}
_FORMS = {
    "tls": "|".join(Tls),
    "starttls": "require",
    "auth": "|".join(Mechanism),
    "plaintext_auth": "allow",
    "ca_file": "PATH",
    "local_hostname": "NAME",
    "source_address": "ADDRESS",
}
