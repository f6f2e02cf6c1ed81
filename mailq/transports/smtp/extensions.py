"""What a relay announced in its reply to EHLO (RFC 5321 section 4.1.1.1)."""

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Extensions:
    """The extensions we use.

    Attributes:
        size_limit: largest message in bytes, None if none is named (RFC 1870; `SIZE 0` names none).
        auth: mechanisms of AUTH (RFC 4954), upper case.
    """

    pipelining: bool = False
    size: bool = False
    size_limit: int | None = None
    eight_bit: bool = False
    smtputf8: bool = False
    starttls: bool = False
    auth: frozenset[str] = frozenset()
    dsn: bool = False

    @classmethod
    def from_ehlo(cls, text: bytes) -> Self:
        """Read the lines after the greeting line. Unknown words and unreadable parameters are passed over."""
        announced: dict[str, list[str]] = {}
        for line in text.decode("ascii", "replace").split("\n")[1:]:
            # `AUTH=PLAIN` is how servers before RFC 2554 wrote it.
            words = line.upper().replace("AUTH=", "AUTH ", 1).split()
            if words:
                announced.setdefault(words[0], []).extend(words[1:])
        limit = next((int(word) for word in announced.get("SIZE", [])[:1] if word.isascii() and word.isdigit()), 0)
        return cls(
            pipelining="PIPELINING" in announced,
            size="SIZE" in announced,
            size_limit=limit or None,
            eight_bit="8BITMIME" in announced,
            smtputf8="SMTPUTF8" in announced,
            starttls="STARTTLS" in announced,
            auth=frozenset(announced.get("AUTH", ())),
            dsn="DSN" in announced,
        )
