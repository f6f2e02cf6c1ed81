"""A Django project in the test's process: configured once, pointed at another database for each test that wants one."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote, urlsplit

import django
from django.conf import settings

BACKEND = "mailq.contrib.django.EmailBackend"
SENDER = "Shop <shop@mailq.example>"
APPS = ("admin", "auth", "contenttypes", "messages", "sessions")
MIDDLEWARE = (
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "mailq.contrib.django.AnswerErrors",
)
PROCESSORS = (
    "django.template.context_processors.request",
    "django.contrib.auth.context_processors.auth",
    "django.contrib.messages.context_processors.messages",
)


def configure() -> None:
    """Set Django up, if no test has."""
    if settings.configured:
        return
    mailers = {"MAILERS": {"default": {"BACKEND": BACKEND}}} if django.VERSION >= (6, 1) else {"EMAIL_BACKEND": BACKEND}
    settings.configure(
        INSTALLED_APPS=["mailq.contrib.django", *(f"django.contrib.{app}" for app in APPS)],
        MAILQ={"DATABASE": "default"},
        DEFAULT_FROM_EMAIL=SENDER,
        SERVER_EMAIL="errors@mailq.example",
        DATABASES={
            "default": {"ENGINE": "django.db.backends.postgresql", "NAME": "nobody_has_set_it"},
            "other": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
        },
        SECRET_KEY="of a test",
        ALLOWED_HOSTS=["testserver"],
        ROOT_URLCONF="tests.support.django_urls",
        MIDDLEWARE=MIDDLEWARE,
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {"context_processors": PROCESSORS},
            }
        ],
        LOGGING_CONFIG=None,
        USE_TZ=True,
        **mailers,
    )
    django.setup()


def connection_settings(url: str) -> dict[str, str | int | None]:
    """A URL in the words of DATABASES."""
    parts = urlsplit(url)
    user, password = (unquote(said) if said else "" for said in (parts.username, parts.password))
    return {"NAME": parts.path[1:], "USER": user, "PASSWORD": password, "HOST": parts.hostname, "PORT": parts.port}


@contextmanager
def pointed_at(url: str) -> Iterator[None]:
    """The default database of the project is this one, in this thread."""
    from django.db import connections

    wrapper = connections["default"]
    before = dict(wrapper.settings_dict)
    wrapper.close()
    wrapper.settings_dict.update(connection_settings(url))
    try:
        yield
    finally:
        wrapper.close()
        wrapper.settings_dict.update(before)
