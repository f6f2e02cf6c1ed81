"""Where answers go: judged when a call is accepted, as far as an address says by itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from mailq.core.address import InvalidAddress, normalise
from mailq.core.call import ResponseType
from mailq.core.networks import Network, is_open, named
from mailq.errors import BadInput

_LONGEST_URL = 2000


@dataclass(frozen=True, slots=True)
class Policy:
    """What answers may be asked for. The default allows what every installation can send.

    Attributes:
        emails: whether there is a sender for answers by e-mail.
        networks: where webhooks may go though it is private.
        judged: False where the settings of the workers are not known: they judge when they send.
    """

    emails: bool = False
    networks: Sequence[Network] = ()
    judged: bool = True


STRICT = Policy()
UNJUDGED = Policy(judged=False)


def require_response_address(kind: ResponseType, said: object, where: str, policy: Policy) -> str | None:
    """The address of an answer, in its ordinary form; None of an answer that is not sent.

    Raises:
        BadInput: it is missing, or none for this kind, or none that may be answered to.
    """
    if kind is ResponseType.NONE:
        return None
    if not isinstance(said, str):
        raise BadInput(f"response_address: is missing; {kind} needs it", field=where)
    address = _mailbox(said, where) if kind is ResponseType.EMAIL else _url(said, where)
    if policy.judged:
        _require_allowed(kind, address, where, policy)
    return address


def _require_allowed(kind: ResponseType, address: str, where: str, policy: Policy) -> None:
    if kind is ResponseType.EMAIL:
        if not policy.emails:
            raise BadInput(
                "response_address: no answers by e-mail here until MAILQ_CALLS__RESPONSE_SENDER says who they are from",
                field=where,
            )
        return
    found = named(urlsplit(address).hostname or "")
    if found is not None and not is_open(found, policy.networks):
        raise BadInput(
            f"response_address: {found} is no public address, and in no network of MAILQ_CALLS__WEBHOOK_NETWORKS", field=where
        )


def _mailbox(said: str, where: str) -> str:
    try:
        address = normalise(said)
    except InvalidAddress as error:
        raise BadInput(f"response_address: {error.reason}", field=where) from None
    if address.international:
        raise BadInput("response_address: answers by e-mail go to addresses that are ASCII before the @", field=where)
    return address.text


def _url(said: str, where: str) -> str:
    """What a name resolves to is judged when it is sent to: it may be another address by then."""
    try:
        parts = urlsplit(said)
        fits = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fits = False
    if not (fits and len(said) <= _LONGEST_URL and said.isascii() and said.isprintable() and " " not in said):
        raise BadInput("response_address: must be a URL, http:// or https://, in printable ASCII", field=where)
    if "%" in parts.netloc:
        raise BadInput("response_address: must name its host as it is, without % and zone", field=where)
    if parts.username is not None or parts.password is not None:
        raise BadInput("response_address: must not contain a user or a password; answers are signed", field=where)
    return said
