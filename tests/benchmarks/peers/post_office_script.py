"""django-post_office, run by a Python of its own: `post_office_script.py FACTS.json`. Knows nothing of mailq."""

import csv
import json
import resource
import sys
import time
from pathlib import Path

import django
from django.conf import settings
from django.core.management import call_command

_AT_A_TIME = 1000


def configure(facts):
    """Set up a project that does nothing else."""
    database = facts["database"]
    settings.configure(
        INSTALLED_APPS=["django.contrib.contenttypes", "post_office"],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": database["dbname"],
                "USER": database["user"],
                "PASSWORD": database["password"],
                "HOST": database["host"],
                "PORT": database["port"],
            }
        },
        EMAIL_BACKEND="post_office.EmailBackend",
        EMAIL_HOST=facts["host"],
        EMAIL_PORT=facts["port"],
        POST_OFFICE={"TEMPLATE_ENGINE": "post_office", "BATCH_SIZE": 1000, "THREADS_PER_PROCESS": 5, "LOG_LEVEL": 1},
        TEMPLATES=[
            {"BACKEND": "django.template.backends.django.DjangoTemplates"},
            {"BACKEND": "post_office.template.backends.post_office.PostOfficeTemplates", "NAME": "post_office", "OPTIONS": {}},
        ],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
        LOGGING_CONFIG=None,
    )
    django.setup()


def migrate(facts):
    """Make the tables, and the template."""
    from post_office.models import EmailTemplate

    call_command("migrate", verbosity=0)
    content = facts["content"]
    EmailTemplate.objects.create(name="spring", subject=content["subject"], content=content["text"], html_content=content["html"])
    return {}


def queue(facts):
    """Queue the recipients in bulk, after those of the last run are gone."""
    from post_office import mail
    from post_office.models import Email, EmailTemplate

    Email.objects.all().delete()
    template = EmailTemplate.objects.get(name="spring")
    began = time.perf_counter()
    with Path(facts["recipients"]).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for start in range(0, len(rows), _AT_A_TIME):
        mail.send_many(
            [
                {
                    "recipients": [row["email"]],
                    "sender": facts["content"]["sender"],
                    "template": template,
                    "context": {name: value for name, value in row.items() if name != "email"},
                    "render_on_delivery": True,
                }
                for row in rows[start : start + _AT_A_TIME]
            ]
        )
    return {"seconds": time.perf_counter() - began}


def send(facts):
    """Send what is queued."""
    from post_office.models import STATUS, Email

    before, began = _cpu_s(), time.perf_counter()
    call_command("send_queued_mail", processes=facts["processes"])
    seconds, cpu_s = time.perf_counter() - began, _cpu_s() - before
    return {"sent": Email.objects.filter(status=STATUS.sent).count(), "seconds": seconds, "cpu_s": cpu_s}


def _cpu_s():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


if __name__ == "__main__":
    with Path(sys.argv[1]).open(encoding="utf-8") as given:
        known = json.load(given)
    configure(known)
    print(json.dumps({"migrate": migrate, "queue": queue, "send": send}[known["step"]](known)))
