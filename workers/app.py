"""The Celery app: `celery -A workers worker -Q mailq.bulk -c 2 -n bulk@%h`."""

import sys

from celery import Celery

from mailq import settings
from mailq.broker import kombu_compat
from mailq.broker.config import celery_settings
from mailq.errors import MailqError


def make_app() -> Celery:
    """The app of this process, by its settings.

    Raises:
        MailqError: a setting is at fault; its text says which.
    """
    chosen = settings.load()
    kombu_compat.install()
    made = Celery("mailq", include=["workers.tasks"])
    made.conf.update(celery_settings(settings.required(chosen.redis_url, "redis_url")))
    return made


try:
    app = make_app()
except MailqError as error:
    print(f"mailq: {error}", file=sys.stderr)  # noqa: T201 - celery would show a traceback for a user's mistake
    raise SystemExit(error.exit_code) from None

from workers import lifecycle  # noqa: E402 - it hangs its steps on the app

lifecycle.install(app)
