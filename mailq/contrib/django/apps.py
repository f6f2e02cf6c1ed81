"""The app as Django knows it."""

from django.apps import AppConfig


class MailqConfig(AppConfig):
    """Label `mailq`; without migrations, because mailq's tables are mailq's own (`mailqctl db upgrade`)."""

    name = "mailq.contrib.django"
    label = "mailq"
    verbose_name = "mailq"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Settings are complete now."""
        from mailq.contrib.django import checks  # noqa: F401 - registers them
