"""The e-mail backend: every mail of a Django project goes through mailq.

EMAIL_BACKEND = "mailq.contrib.django.EmailBackend"                          # or, from Django 6.1 on
MAILERS = {"default": {"BACKEND": "mailq.contrib.django.EmailBackend", "OPTIONS": {"lane": "bulk"}}}
"""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.mail.backends.base import BaseEmailBackend
from django.db import DEFAULT_DB_ALIAS, connections, transaction

from mailq import telemetry
from mailq.client.values import DoubtPolicy, Email, Lane
from mailq.contrib.django.configuration import configured
from mailq.contrib.django.emails import emails_of, one_of
from mailq.contrib.django.sending import client
from mailq.errors import MailqError

log = telemetry.logger(__name__)

MOST_AT_ONCE = 100
"""A message to more recipients than this is a mailing of its own, so that it can be watched, paused and cancelled."""


class EmailBackend(BaseEmailBackend):
    """Hands messages to mailq. A list of several is one mailing; a message alone, or with a `mailq_key`, is sent on its own, now.

    If mailq is in one of Django's databases, the messages are written in the surrounding transaction and commit with it. Otherwise
    they are handed over when the transaction of the default database commits.

    Attributes:
        mailing_name, mailing_key: what a list is called, and your own name for it: handed over again, the same key is the same
            mailing. Set them before `send_messages`.
    """

    mailing_name: str | None = None
    mailing_key: str | None = None

    def __init__(
        self,
        fail_silently: bool = False,
        *,
        database: str | None = None,
        key: str | None = None,
        organization: str | None = None,
        schema: str | None = None,
        lane: Lane | None = None,
        doubt_policy: DoubtPolicy = "hold",
        on_commit: bool = True,
        **others: Any,
    ) -> None:
        """`others` are Django's: its base class reports what nobody knows.

        Args:
            database, key, organization, schema: instead of what the setting MAILQ says.
            lane: how urgent: `transactional` for messages on their own, `normal` for mailings, unless told otherwise.
            on_commit: False hands over at once, whatever becomes of the surrounding transaction.

        Raises:
            ImproperlyConfigured: something of this cannot be.
        """
        super().__init__(**others)
        self.fail_silently = fail_silently
        self._configuration = configured(database=database, key=key, organization=organization, schema=schema)
        self._lane = None if lane is None else one_of(lane, Lane, "lane")
        self._doubt_policy = one_of(doubt_policy, DoubtPolicy, "doubt_policy")
        self._on_commit = on_commit
        if not on_commit and self._configuration.alias is not None:
            raise ImproperlyConfigured(
                "on_commit=False cannot be with a database of Django's own, whose transaction the mail belongs to: "
                "name its address as `database`"
            )

    def send_messages(self, email_messages: Sequence[Any]) -> int:
        """Hand messages over; how many of them had a recipient.

        Raises:
            ValueError: a header or an address has a line break in it.
            MailqError: mailq does not take them; not with `fail_silently`.
        """
        addressed = [message for message in email_messages or () if message.recipients()]
        if not addressed:
            return 0
        try:
            self._take(addressed)
        except MailqError as error:
            if not self.fail_silently:
                raise
            # The words of an error may hold an address.
            log.warning("django.mail_not_taken", kind=type(error).__name__, messages=len(addressed))
            return 0
        return len(addressed)

    def _take(self, messages: list[Any]) -> None:
        alone, listed = self._sorted(messages)
        emails = [email for message in alone for email in self._emails(message)]
        # Of a long list one message after the other, as they are written.
        many = (email for message in listed for email in self._emails(message, careful=False))
        name = self.mailing_name or (str(listed[0].subject) if listed else "")
        if self._waits():
            hand_over = partial(self._hand_over, emails, list(many), name)
            transaction.on_commit(hand_over, using=DEFAULT_DB_ALIAS, robust=self.fail_silently)
        else:
            self._hand_over(emails, many if listed else [], name)

    def _hand_over(self, emails: list[Email], many: Iterable[Email], name: str) -> None:
        with client(self._configuration) as mailq:
            # What has a key may be handed over again: it goes first.
            mailq.send_all(emails)
            if many:
                mailq.submit_emails(
                    many, name=name, key=self.mailing_key, lane=self._lane or "normal", doubt_policy=self._doubt_policy
                )

    def _sorted(self, messages: list[Any]) -> tuple[list[Any], list[Any]]:
        """Those that are sent on their own, and those that are a mailing."""
        keyed = [message for message in messages if getattr(message, "mailq_key", None)]
        others = [message for message in messages if not getattr(message, "mailq_key", None)]
        is_mailing = self.mailing_key or self.mailing_name
        if len(others) == 1 and len(others[0].recipients()) <= MOST_AT_ONCE and not is_mailing:
            return [*keyed, *others], []
        return keyed, others

    def _emails(self, message: Any, *, careful: bool = True) -> list[Email]:
        return emails_of(message, lane=self._lane, doubt_policy=self._doubt_policy, careful=careful)

    def _waits(self) -> bool:
        """Whether there is a transaction to wait for, other than the one the messages are written in."""
        alias = self._configuration.alias
        if not self._on_commit or (alias is not None and connections[alias].in_atomic_block):
            return False
        return bool(connections[DEFAULT_DB_ALIAS].in_atomic_block)
