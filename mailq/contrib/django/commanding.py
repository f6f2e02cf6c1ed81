"""What the management commands share: the client, and refusals as sentences."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error

from mailq.client import Client, Progress
from mailq.contrib.django.configuration import configured
from mailq.contrib.django.reaching import said_of
from mailq.contrib.django.sending import client
from mailq.contrib.words import line
from mailq.errors import MailqError, Unavailable


class Steering(BaseCommand):
    """A command that does one thing to one mailing.

    Attributes:
        steer: which thing.
    """

    steer: Callable[[Client, str], Progress]

    def add_arguments(self, parser: CommandParser) -> None:
        """Which one."""
        parser.add_argument("mailing", help="its id, or the key it was submitted with")

    def handle(self, *_: Any, mailing: str, **__: Any) -> None:
        """Do it, and say how it stands."""
        self.stdout.write(line(asked(self.steer, mailing)))


@contextmanager
def in_words() -> Iterator[None]:
    """Say what goes wrong without a traceback.

    Raises:
        CommandError: mailq refuses, or the database does not answer.
    """
    try:
        yield
    except MailqError as error:
        raise CommandError(str(error), returncode=error.exit_code) from None
    except Error as error:
        raise CommandError(said_of(str(configured().books), error), returncode=Unavailable.exit_code) from None


def asked(question: Callable[[Client, str], Progress], reference: str) -> Progress:
    """What the client says of a mailing.

    Raises:
        CommandError: in words, without a traceback.
    """
    with in_words(), client() as mailq:
        return question(mailq, reference)
