"""Wiring: settings in, working parts out. The one place that knows which class plays which part."""

from mailq.core.retry import RetryPolicy
from mailq.errors import Misconfigured
from mailq.settings import Settings
from mailq.store.database import Database


def database(settings: Settings, *, application: str = "mailq") -> Database:
    """The ledger's database.

    Raises:
        Misconfigured: no database is set and no local stack runs.
    """
    if settings.database_url is None:
        raise Misconfigured("no database: set MAILQ_DATABASE_URL, or start a local stack with `mailqctl up`")
    return Database(settings.database_url.get_secret_value(), application=application)


def retry_policy(settings: Settings) -> RetryPolicy:
    """The waits of deferred deliveries."""
    chosen = settings.retry
    return RetryPolicy(
        first=chosen.first,
        factor=chosen.factor,
        longest=chosen.longest,
        max_attempts=chosen.max_attempts,
        max_age=chosen.max_age,
    )
