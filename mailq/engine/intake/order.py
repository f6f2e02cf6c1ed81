"""What a producer orders: one content for the recipients of one source, and how it is to be sent."""

import difflib
import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime

from mailq.core.mailing import DoubtPolicy, Lane
from mailq.core.message import PROVIDED, Content, ReadyMade, variables_needed
from mailq.engine.intake.source import Source
from mailq.errors import BadInput

_LONGEST_NAME = 200
_OF_READY_MADE = frozenset({"mime", "sender"})


@dataclass(frozen=True, slots=True)
class MailingOrder:
    """A mailing to be made.

    Attributes:
        key: the producer's own name for it: ordered again, the same key with the same content is the same mailing.
        batch_size: deliveries of a batch; it does not count as content.
        scheduled_at: not to be sent before; None sends at once.
        expires_at: not to be sent any more after.
        repeats: whether an address that stands in it more than once gets as many messages, instead of the first one only.

    Raises:
        BadInput: a name or key that nobody could read, or times that contradict each other.
    """

    name: str
    content: Content | ReadyMade
    key: str | None = None
    lane: Lane = Lane.BULK
    doubt_policy: DoubtPolicy = DoubtPolicy.HOLD
    batch_size: int = 1000
    scheduled_at: datetime | None = None
    expires_at: datetime | None = None
    organization: str = "default"
    repeats: bool = False

    def __post_init__(self) -> None:
        require_name("name", self.name, of="mailing")
        if self.key is not None:
            require_name("key", self.key, of="mailing")
        for what, field in (("scheduled", "scheduled_at"), ("expiry", "expires_at")):
            moment = getattr(self, field)
            if moment is not None and moment.tzinfo is None:
                raise BadInput(f"the {what} time needs a time zone, such as 2026-12-24T18:00+01:00", field=field)
            if moment is not None:
                object.__setattr__(self, field, _in_utc(moment, what, field))
        if self.scheduled_at and self.expires_at and self.expires_at <= self.scheduled_at:
            raise BadInput("the mailing would expire before its scheduled time", field="expires_at")

    def digest(self) -> str:
        """SHA-256 over content and options: what must be equal for two orders of one key to be the same."""
        options = {
            "content": self.content.digest(),
            "name": self.name,
            "lane": self.lane,
            "doubt_policy": self.doubt_policy,
            "scheduled_at": _plain(self.scheduled_at),
            "expires_at": _plain(self.expires_at),
        } | ({"repeats": True} if self.repeats else {})
        return hashlib.sha256(json.dumps(options, sort_keys=True).encode()).hexdigest()


def require_name(what: str, value: str, *, of: str) -> None:
    """Refuse a name or a key that nobody could read.

    Raises:
        BadInput: it is empty, too long, or not printable.
    """
    if not (value.strip() and len(value) <= _LONGEST_NAME and value.isprintable()):
        raise BadInput(f"the {what} of a {of} is 1 to {_LONGEST_NAME} printable characters on one line", field=what)


def needed_by(content: Content | ReadyMade) -> frozenset[str]:
    """The variables without which a recipient of this content will fail.

    Raises:
        TemplateFault: a part is no template.
    """
    return _OF_READY_MADE if isinstance(content, ReadyMade) else variables_needed(content)


def require_variables(content: Content | ReadyMade, source: Source) -> None:
    """Refuse a content that names variables the source does not have, unless it says what to do without them.

    Of JSON Lines the first 1,000 objects are asked: a variable that none of them has is taken for a mistake.

    Raises:
        BadInput: with every unknown name, and what may have been meant.
        TemplateFault: a part is no template.
    """
    require_names(content, source.columns, source.where)


def require_names(content: Content | ReadyMade, given: frozenset[str], where: str, *, field: str | None = "recipients") -> None:
    """The same for variables of these names, which are `where`.

    Args:
        field: what is at fault then, if it can be told.

    Raises:
        BadInput, TemplateFault: as `require_variables`.
    """
    known = given | PROVIDED
    unknown = sorted(needed_by(content) - known)
    if not unknown:
        return
    names = ", ".join(_suggesting(name, known) for name in unknown)
    has = ", ".join(f"`{name}`" for name in sorted(known))
    raise BadInput(f"the content uses what {where} does not have: {names}; there is {has}", field=field)


def _suggesting(name: str, known: frozenset[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"`{name}` (did you mean `{near[0]}`?)" if near else f"`{name}`"


def _in_utc(moment: datetime, what: str, field: str) -> datetime:
    """The same moment; PostgreSQL does not know every offset that Python knows."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise BadInput(f"the {what} time is beyond the years 1 to 9999", field=field) from None


def _plain(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat()
