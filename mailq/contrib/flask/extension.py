"""The extension: one for all apps of a process, each with its own configuration.

| Key | Meaning |
| --- | --- |
| `MAILQ_URL` | `postgresql://…` or `https://…`; only `within` works without it |
| `MAILQ_KEY` | the API key, for `https://…` |
| `MAILQ_ORGANIZATION` | in whose name; `default` |
| `MAILQ_SCHEMA` | where mailq's tables are, if not on the search path |
"""

from collections.abc import Iterable, Iterator
from typing import Any

from flask import Flask, current_app

from mailq.client import Accepted, Client, Delivery, Mailing, Message, Progress, Submitted
from mailq.client.doors import GivenRecipient
from mailq.contrib import kept
from mailq.contrib.flask.commands import group
from mailq.contrib.flask.refusals import answer
from mailq.contrib.kept import Entrance
from mailq.errors import MailqError, Misconfigured

_NAME = "mailq"


class Mailq:
    """The door of the current app. Its connections belong to the process: the end of a request closes none."""

    def __init__(self, app: Flask | None = None, *, answer_errors: bool = True) -> None:
        """With an app, `init_app` as well."""
        if app is not None:
            self.init_app(app, answer_errors=answer_errors)

    def init_app(self, app: Flask, *, answer_errors: bool = True) -> None:
        """Make the configuration complete, add the commands `flask mailq …`, and connect to nothing.

        Args:
            answer_errors: whether refusals are answered with their status (422, 404, 409, 503) where no view handles them.
        """
        for name, default in {"URL": None, "KEY": None, "ORGANIZATION": "default", "SCHEMA": None}.items():
            app.config.setdefault(f"MAILQ_{name}", default)
        app.extensions[_NAME] = self
        app.cli.add_command(group)
        if answer_errors:
            app.register_error_handler(MailqError, answer)

    @property
    def client(self) -> Client:
        """The client of the current app.

        Raises:
            Misconfigured: it has no `MAILQ_URL`.
        """
        config = _config()
        if not config["MAILQ_URL"]:
            raise Misconfigured("the app has no MAILQ_URL: where is mailq?")
        return kept.client(
            Entrance(config["MAILQ_URL"], config["MAILQ_KEY"], config["MAILQ_ORGANIZATION"], config["MAILQ_SCHEMA"])
        )

    def within(self, session: Any) -> Client:
        """A client in the transaction of a session or connection of SQLAlchemy, or of a connection of psycopg: `db.session`.

        What it takes is sent if and when that transaction commits. It needs no closing.
        """
        config = _config()
        return Client(session, organization=config["MAILQ_ORGANIZATION"], schema=config["MAILQ_SCHEMA"])

    def send(self, message: Message) -> Accepted:
        """See `Client.send`."""
        return self.client.send(message)

    def submit(self, mailing: Mailing, recipients: Iterable[GivenRecipient]) -> Submitted:
        """See `Client.submit`."""
        return self.client.submit(mailing, recipients)

    def pause(self, reference: str) -> Progress:
        """See `Client.pause`."""
        return self.client.pause(reference)

    def resume(self, reference: str) -> Progress:
        """See `Client.resume`."""
        return self.client.resume(reference)

    def cancel(self, reference: str) -> Progress:
        """See `Client.cancel`."""
        return self.client.cancel(reference)

    def progress(self, reference: str) -> Progress:
        """See `Client.progress`."""
        return self.client.progress(reference)

    def deliveries(self, reference: str, state: str | None = None) -> Iterator[Delivery]:
        """See `Client.deliveries`."""
        return self.client.deliveries(reference, state)

    def history(self, address: str) -> list[Delivery]:
        """See `Client.history`."""
        return self.client.history(address)


def _config() -> dict[str, Any]:
    if _NAME not in current_app.extensions:
        raise Misconfigured(f"the app {current_app.name} has no mailq: call mailq.init_app(app)")
    return current_app.config
