"""Addresses of services as people may see them: never with a password, and never guessed where it might hide in one."""

import re
from urllib.parse import SplitResult, urlsplit

from mailq.errors import Misconfigured

_HOST = re.compile(r"[A-Za-z0-9_.,:%-]*\Z")


def shown(url: str, name: str) -> str:
    """A service's URL with three stars for the password, and without options: they may hold one too.

    Args:
        name: what to call it when it is at fault, as the settings do.

    Raises:
        Misconfigured: it cannot be read without doubt. The text repeats nothing of it.
    """
    parts = _split(url, name)
    host = parts.hostname or ""
    where = f"[{host}]" if ":" in host else host
    port = f":{parts.port}" if parts.port else ""
    user = parts.username or ""
    who = f"{user}:***@" if parts.password is not None else f"{user}@" if user else ""
    return f"{parts.scheme}://{who}{where}{port}{parts.path}"


def _split(url: str, name: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        clear = parts.port != 0 and parts.netloc.count("@") <= 1 and "@" not in parts.path and _HOST.match(parts.hostname or "")
    except ValueError:
        clear = None
    if not clear or not parts.scheme:
        form = "scheme://user:password@host:port/…"
        raise Misconfigured(f"{name} is no URL; write {form}, and in a user or password %40 for @, %3A for :, %2F for /")
    return parts
