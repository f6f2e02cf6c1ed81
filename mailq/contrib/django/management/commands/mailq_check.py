"""`manage.py mailq_check`."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from mailq.contrib.django.configuration import configured
from mailq.contrib.django.reaching import why_not


class Command(BaseCommand):
    """Whether mail of this project arrives at mailq."""

    help = "Reach mailq as a mail would, and say what is in the way. Nothing is sent."

    def handle(self, *_: Any, **__: Any) -> None:
        """Run Django's checks of mailq, then knock."""
        self.check(tags=["mailq"], databases=[])
        try:
            configuration = configured()
        except ImproperlyConfigured as fault:
            raise CommandError(str(fault)) from None
        if found := why_not(configuration):
            raise CommandError(found.said)
        where = configuration.alias or "its own address"
        self.stdout.write(f"mailq takes mail of this project, through {where}. Whether it goes out, `mailqctl doctor` says.")
