"""System checks: what is wrong with a project's way to mailq, and what to do. Those of the database run with `check --database`."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004 - Django's name
from django.core.exceptions import ImproperlyConfigured

from mailq.contrib.django.configuration import configured, faults, given
from mailq.contrib.django.emails import address_in
from mailq.contrib.django.reaching import why_not
from mailq.core.address import normalise
from mailq.errors import BadInput

BACKEND = "mailq.contrib.django.EmailBackend"


@register("mailq")
def setting(**_: Any) -> list[CheckMessage]:
    """MAILQ can be read."""
    return [Error(f"MAILQ: {fault}", id="mailq.E001") for fault in faults(given())]


@register("mailq")
def mailers(**_: Any) -> list[CheckMessage]:
    """Some mail goes through mailq, and from an address it can come from."""
    return list(_mailer_faults())


@register(Tags.database)
def database(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """mailq's tables, or its outbox, can be reached, and are those of this version."""
    try:
        configuration = configured()
    except ImproperlyConfigured:
        return []
    if configuration.alias is None or configuration.alias not in (databases or ()):
        return []
    fault = why_not(configuration)
    return [Error(fault.said, hint=fault.hint, id="mailq.E002")] if fault else []


def _mailer_faults() -> Iterator[CheckMessage]:
    if BACKEND not in _backends():
        hint = f'EMAIL_BACKEND = "{BACKEND}", or MAILERS from Django 6.1 on.'
        yield Warning("No mail of Django's goes through mailq.", hint=hint, id="mailq.W001")
        return
    for name in ("DEFAULT_FROM_EMAIL", "SERVER_EMAIL"):
        address = getattr(settings, name)
        try:
            normalise(address_in(address))
        except (BadInput, ValueError) as fault:
            yield Warning(f"Mail from {name} = {address!r} is refused: {fault}", hint="Set a real address.", id="mailq.W002")


def _backends() -> set[str]:
    if mailers := getattr(settings, "MAILERS", None):
        return {mailer.get("BACKEND", "") for mailer in mailers.values()}
    return {settings.EMAIL_BACKEND}
