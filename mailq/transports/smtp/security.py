"""What a session must be before it carries anything: how encrypted, and how it says who we are."""

from enum import StrEnum


class Tls(StrEnum):
    """How much encryption a session must have.

    `OPPORTUNISTIC` takes what it can get, and goes on in the clear where it gets nothing. `REQUIRED` never does, but asks for no
    certificate: it protects from those who listen, not from those who stand in between. `VERIFIED` does.
    """

    OFF = "off"
    OPPORTUNISTIC = "opportunistic"
    REQUIRED = "required"
    VERIFIED = "verified"


class Mechanism(StrEnum):
    """How a session authenticates (RFC 4954), best first. `XOAUTH2` is used only where it is chosen: its password is a token."""

    CRAM_MD5 = "cram-md5"
    PLAIN = "plain"
    LOGIN = "login"
    XOAUTH2 = "xoauth2"
