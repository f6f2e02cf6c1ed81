"""Addresses: which ones we accept, in which form we keep them, and when two of them are the same.

Syntax is email-validator's, without DNS: RFC 5321 section 4.1.2 without quoted local parts and address literals, local part
at most 64 and address at most 254 octets, a domain with a dot that is not reserved for other uses (`test`, `local`, `invalid`,
`localhost`, `onion`, `arpa`); the `example` domains of RFC 6761 are ordinary. It costs 45 µs, so plain ASCII addresses take a
regular expression that accepts less than email-validator does and never more; a property test holds the two equal.
"""

import re
from typing import NamedTuple

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email
from email_validator.rfc_constants import CASE_INSENSITIVE_MAILBOX_NAMES

from mailq.errors import BadInput

MAX_OCTETS = 254
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
# A label without double hyphens: `xn--` and other reserved labels (RFC 5890 section 2.3.1) take the long way.
_LABEL = r"(?=[A-Za-z0-9-]{1,63}(?:\.|\Z))[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*"
_RESERVED = "|".join(sorted({re.escape(name.rpartition(".")[2]) for name in SPECIAL_USE_DOMAIN_NAMES}))
_PLAIN = re.compile(rf"(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+(?!(?i:{_RESERVED})\Z)[A-Za-z]{{2,63}}\Z", re.ASCII)
# The same for many addresses, each on a line, in lower case and so short that no part of them can be too long; nothing backtracks.
_SHORT = 64
_ATOMS = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]++"
_LINES = re.compile(
    rf"^{_ATOMS}(?:\.{_ATOMS})*+@(?:[a-z0-9]++(?:-[a-z0-9]++)*+\.)+(?!(?:{_RESERVED})$)[a-z]{{2,}}+$", re.ASCII | re.MULTILINE
)
_NEVER = re.compile(r"[\x00-\x20\x7f<>]")
_ANY_CASE = frozenset(CASE_INSENSITIVE_MAILBOX_NAMES)


class InvalidAddress(BadInput):
    """An address mail cannot be sent to; `reason` is a sentence for whoever supplied it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Address(NamedTuple):
    """An address in the one form we store, compare and send.

    Attributes:
        text: `local@domain`, the domain in lower case and in its ASCII form (RFC 5891), the local part as given (NFC).
        international: the local part is not ASCII, so a relay must offer SMTPUTF8 (RFC 6531).
    """

    text: str
    international: bool = False

    @property
    def key(self) -> str:
        """What two spellings of one mailbox have in common: nobody tells mailboxes apart by case."""
        return self.text.lower()

    @property
    def domain(self) -> str:
        """The part behind the @."""
        return self.text.rpartition("@")[2]


def normalise(address: str) -> Address:
    """Check an address as a person typed it (surrounding whitespace is dropped) and bring it into its one form.

    Raises:
        InvalidAddress: with the reason as a sentence.
    """
    text = address.strip()
    if len(text) <= MAX_OCTETS and _PLAIN.match(text):
        return Address(text if text.islower() else _lower_what_has_no_case(text))
    return _normalise_carefully(text)


def all_normal(addresses: list[str]) -> bool:
    """Whether every one is an address that `normalise` leaves as it is; False says nothing.

    A search over all of them costs a third of one for each.
    """
    return max(map(len, addresses), default=0) <= _SHORT and _LINES.findall("\n".join(addresses)) == addresses


def _lower_what_has_no_case(text: str) -> str:
    local, _, domain = text.partition("@")
    lowered = local.lower()
    # RFC 2142: these mailboxes are the same in any case, and email-validator says so too.
    return f"{lowered if lowered in _ANY_CASE else local}@{domain.lower()}"


def _normalise_carefully(text: str) -> Address:
    if not text:
        raise InvalidAddress("The address is empty.")
    if len(text) > MAX_OCTETS:  # checked here, because email-validator looks at every character of a 10 MB field first
        raise InvalidAddress(f"The email address is too long ({len(text) - MAX_OCTETS} characters too many).")
    try:
        valid = validate_email(text, check_deliverability=False, strict=True)
    except EmailNotValidError as error:
        raise InvalidAddress(str(error)) from None
    normal = f"{valid.local_part}@{valid.ascii_domain}"
    if _NEVER.search(normal):  # an SMTP command could be smuggled in; no version of a library may change that
        raise InvalidAddress("The email address contains a space, an angle bracket or a control character.")
    return Address(normal, international=not normal.isascii())
