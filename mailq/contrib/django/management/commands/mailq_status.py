"""`manage.py mailq_status [MAILING]`."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from mailq.client import Client
from mailq.contrib.django.commanding import asked, in_words
from mailq.contrib.django.configuration import configured
from mailq.contrib.django.models import Mailing
from mailq.contrib.words import line

_MOST_SHOWN = 20


class Command(BaseCommand):
    """How far a mailing is, or the last mailings."""

    help = "How far a mailing is; without a name the last mailings, where mailq is in a database of the project."

    def add_arguments(self, parser: CommandParser) -> None:
        """Which one."""
        parser.add_argument("mailing", nargs="?", help="its id, or the key it was submitted with")

    def handle(self, *_: Any, mailing: str | None, **__: Any) -> None:
        """Say it."""
        for reference in [mailing] if mailing else _last():
            self.stdout.write(line(asked(Client.progress, reference)))


def _last() -> list[str]:
    configuration = configured()
    if configuration.books is None:
        raise CommandError("name a mailing: by its id, or by the key it was submitted with")
    mine = Mailing.objects.using(configuration.books).filter(organization__name=configuration.organization)
    with in_words():
        return list(mine.values_list("public_id", flat=True)[:_MOST_SHOWN])
