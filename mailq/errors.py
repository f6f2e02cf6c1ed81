"""What can go wrong in the world: every error says what happened, to what, and what to do.

`MailqError` is the world misbehaving or a user's mistake; `ValueError` is us. `exit_code` is what `mailqctl` ends with
(0 and 1 plain, 2 click's usage, the rest from sysexits.h where it has a name for it).
"""


class MailqError(Exception):
    """The root: its text is one clear sentence, shown to people as it is."""

    exit_code = 1


class BadInput(MailqError):
    """A file, template or value from outside is at fault; nothing was changed.

    Attributes:
        field: which part of what was given, such as `subject`, `header List-Id` or a JSON pointer, `/objects/1/type`, where it is known.
    """

    exit_code = 65

    def __init__(self, text: str, *, field: str | None = None) -> None:
        super().__init__(text)
        self.field = field


class NotFound(MailqError):
    """No such mailing, server or delivery.

    Attributes:
        listing: the command of `mailqctl` that lists what there is; only mailqctl speaks of it.
    """

    exit_code = 4

    def __init__(self, text: str, *, listing: str | None = None) -> None:
        super().__init__(text)
        self.listing = listing


class Conflict(MailqError):
    """The request contradicts what is already there: a key used for other content, a step its state does not allow.

    Attributes:
        field: which part of what was given contradicts it, as `BadInput` names it, where one does.
    """

    exit_code = 5

    def __init__(self, text: str, *, field: str | None = None) -> None:
        super().__init__(text)
        self.field = field


class Unavailable(MailqError):
    """A service mailq needs does not answer; the text names its address without the password."""

    exit_code = 69


class Misconfigured(MailqError):
    """A setting, the schema's revision or an installed version does not fit."""

    exit_code = 78


class Forbidden(Misconfigured):
    """The API key does not allow this; another one may."""


class LeaseError(MailqError):
    """The right to write about a batch is gone."""

    exit_code = 75


class LeaseLost(LeaseError):
    """Another server holds this batch now: stop, record nothing, take the next one."""

    def __init__(self, batch_id: int, fence: int) -> None:
        super().__init__(f"batch {batch_id}: fence {fence} is stale")
        self.batch_id = batch_id
        self.fence = fence


class BooksDiffer(MailqError):
    """A counter and the deliveries it counts disagree: the transaction is rolled back and the numbers are shown."""


class BooksForgotten(MailqError):
    """The database knows less than it has committed: it was restored from a backup, or a standby without the last commits took over."""
