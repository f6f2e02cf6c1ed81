"""What a mailing says: templates for the headers and the bodies, frozen at submit."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, Self

from mailq.core.message.faults import TemplateFault

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Content:
    """The templates of one mailing (Jinja2, over the recipient's variables and `address`).

    Attributes:
        subject: one line.
        sender: the From header, `address` or `Name <address>`.
        text: the plain text body; at least one of `text` and `html` is there.
        html: the HTML body, its variables escaped.
        reply_to: the Reply-To header, like `sender`.
        to_name: the recipient's display name; without it the To header is the bare address.
        headers: further headers by name.

    Raises:
        TemplateFault: there is no body, or a character that neither mail nor the database can hold.
    """

    subject: str
    sender: str
    text: str | None = None
    html: str | None = None
    reply_to: str | None = None
    to_name: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        # jsonb keeps no order: sorted, the message is the same before and after the database.
        object.__setattr__(self, "headers", MappingProxyType(dict(sorted(self.headers.items()))))
        if self.text is None and self.html is None:
            raise TemplateFault("content", "there is neither a text nor an html body")
        for part, source in self.parts():
            require_storable(part, source)

    def parts(self) -> Iterator[tuple[str, str]]:
        """Every template that is there, with the name faults call it by."""
        for part in ("sender", "to_name", "subject", "reply_to"):
            if (source := getattr(self, part)) is not None:
                yield part, source
        for name, source in self.headers.items():
            yield f"header {name}", source
        for part in ("text", "html"):
            if (source := getattr(self, part)) is not None:
                yield part, source

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> Self:
        """Read what `as_mapping` wrote, or a producer's file.

        Raises:
            TemplateFault: a part is missing, unknown or not text.
        """
        known = [each.name for each in fields(cls)]
        if unknown := sorted(set(mapping) - set(known)):
            raise TemplateFault(unknown[0], f"is no part of a content; these are: {', '.join(known)}")
        for part in ("subject", "sender"):
            if mapping.get(part) is None:
                raise TemplateFault(part, "is missing")
        headers = mapping.get("headers") or {}
        if not isinstance(headers, Mapping):
            raise TemplateFault("headers", "must be names with their values")
        given = {part: value for part, value in mapping.items() if part != "headers" and value is not None}
        for part, value in (*given.items(), *((f"header {name}", value) for name, value in headers.items())):
            if not isinstance(value, str):
                raise TemplateFault(part, f"must be text, not {type(value).__name__}")
        return cls(**given, headers=headers)

    def as_mapping(self) -> dict[str, Any]:
        """Plain values for jsonb: only the parts that are there."""
        plain = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "headers"}
        present = {part: value for part, value in plain.items() if value is not None}
        return {**present, "headers": dict(self.headers)} if self.headers else present

    def digest(self) -> str:
        """SHA-256 over the canonical JSON: equal contents, and only they, have equal digests."""
        canonical = json.dumps(self.as_mapping(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def require_storable(part: str, text: str) -> None:
    """Refuse a text with a character that neither mail nor the database can hold.

    Raises:
        TemplateFault: it names the part and the line.
    """
    if found := _UNSTORABLE.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise TemplateFault(part, f"contains the character U+{ord(found[0]):04X}", line=line)
