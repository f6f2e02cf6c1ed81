"""Projects that are set up in another way, each in a process of its own: another driver, a schema, the HTTP API."""

import os
import subprocess
import sys
import textwrap

import django
import pytest

from mailq.store import migrate
from mailq.store.database import Database
from tests.architecture.tree import ROOT
from tests.support.django_project import BACKEND

SENT_AND_STEERED = """
    from django.core.mail import EmailMessage, send_mail
    from django.db import connection, transaction
    from mailq.client import Mailing
    from mailq.contrib.django import EmailBackend, client, submit

    with transaction.atomic():
        send_mail("Hello", "Dear Ann,", "shop@mailq.example", ["ann@x.example"])
        transaction.set_rollback(True)
    with transaction.atomic():
        send_mail("Grüße", "Dear Bob,", "shop@mailq.example", ["bob@x.example", "cy@x.example"])
    EmailBackend().send_messages([EmailMessage("Hi", "Dear you", "shop@mailq.example", [to]) for to in ("a@x.example", "b@x.example")])
    news = Mailing("News", "News", "shop@mailq.example", "Dear {{ name }}", key="news")
    readers = [{"address": f"r{n}@x.example", "variables": {"name": "Zoë"}} for n in range(2000)]
    first, again = (submit(news, iter(readers)) for _ in range(2))
    assert (first.created, again.created, again.id) == (True, False, first.id)
    with client() as mailq:
        assert mailq.progress("news").created_at.tzinfo is not None
        assert mailq.cancel("news").state == "cancelled"
        assert sum(1 for _ in mailq.deliveries("news")) == 2000
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*), current_setting('search_path') FROM {prefix}inbox")
        print(*cursor.fetchone())
"""


ONE_MAILER = {"default": {"BACKEND": BACKEND}}


def run(code, url, *, mailq="{'DATABASE': 'default'}", mailers=ONE_MAILER, blocked=(), tmp_path, **options):
    """A project in a process; what it prints.

    Args:
        mailers: by name, where Django has them.
        blocked: modules that are not installed there.
    """
    for module in blocked:
        (tmp_path / f"{module}.py").write_text("raise ImportError('not installed')\n")
    setup = f"""
from django.conf import settings
import django
from tests.support.django_project import connection_settings, BACKEND
database = {{"ENGINE": "django.db.backends.postgresql", **connection_settings({url!r})}}
settings.configure(MAILQ={mailq}, DATABASES={{"default": database}}, INSTALLED_APPS=["mailq.contrib.django"], **{options!r},
    **({{"MAILERS": {mailers!r}}} if django.VERSION >= (6, 1) else {{"EMAIL_BACKEND": BACKEND}}))
django.setup()
"""
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    argv = [sys.executable, "-c", setup + textwrap.dedent(code)]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("blocked", "use_tz"), [(["psycopg"], False), (["psycopg2"], True)], ids=["psycopg2", "psycopg"])
def test_either_driver_and_naive_times_will_do(database_url, tmp_path, blocked, use_tz):
    """Django reads JSON and times in its own way over either; ours come as they should."""
    if blocked == ["psycopg2"]:
        # mailq needs it itself: only Django is kept from it, which takes psycopg 3 where there is one.
        blocked = []

    said = run(SENT_AND_STEERED.replace("{prefix}", ""), database_url, blocked=blocked, tmp_path=tmp_path, USE_TZ=use_tz)

    assert said.split(maxsplit=1)[0] == "2"


def test_mailqs_tables_may_be_in_a_schema_of_their_own(empty_database_url, tmp_path):
    """The search path of Django's connection is what it was; the admin's models look there too."""
    database = Database(empty_database_url, application="tests", schema="letters")
    migrate.upgrade(database)
    database.close()
    more = """
    from mailq.contrib.django.models import Mailing
    assert [made.name for made in Mailing.objects.prefetch_related("books")] == ["News", "Hi"]
    from django.core.management import call_command
    call_command("mailq_check")
"""
    setting = "{'DATABASE': 'default', 'SCHEMA': 'letters'}"

    said = run(SENT_AND_STEERED.replace("{prefix}", "letters.") + more, empty_database_url, mailq=setting, tmp_path=tmp_path)

    assert said.startswith('2 "$user", public\n')


def test_a_server_side_cursor_may_feed_a_mailing(database_url, tmp_path):
    """Read and written over one connection, in one transaction: no more than a page at a time is held."""
    code = """
    from django.db import connection, models, transaction
    from mailq.client import Mailing
    from mailq.contrib.django import submit

    class Reader(models.Model):
        address = models.TextField()
        class Meta:
            app_label = "shop"

    with connection.schema_editor() as editor:
        editor.create_model(Reader)
    Reader.objects.bulk_create(Reader(address=f"r{number}@x.example") for number in range(25_000))
    with transaction.atomic():
        addresses = Reader.objects.order_by("id").values_list("address", flat=True).iterator(chunk_size=500)
        print(submit(Mailing("News", "News", "shop@mailq.example", "Dear all"), addresses).num_profiles)
"""
    assert run(code, database_url, tmp_path=tmp_path) == "25000\n"


def test_a_project_with_a_door_elsewhere_loads_no_driver_and_no_sqlalchemy(tmp_path):
    """Its processes stay as small as they were."""
    code = """
    import sys
    from django.core.management import call_command
    call_command("check", tags=["mailq"])
    print(sorted({"sqlalchemy", "psycopg2", "celery", "redis", "httpx2"} & set(sys.modules)))
"""
    setting = "{'DATABASE': 'https://mailq.example', 'KEY': 'mq_live_x'}"

    assert "[]\n" in run(code, "postgresql://nobody@127.0.0.1:1/x", mailq=setting, tmp_path=tmp_path)


@pytest.mark.skipif(django.VERSION < (6, 1), reason="mailers have names from Django 6.1 on, which needs Python 3.12")
def test_each_named_mailer_has_options_of_its_own(database_url, tmp_path):
    """And one that nobody knows is Django's error, by the name of its mailer."""
    used = """
        from django.core.mail import InvalidMailer, mailers, send_mail
        from django.core.management import call_command
        from django.db import connection

        call_command("check", tags=["mailq"])
        send_mail("Hello", "Dear Ann,", "shop@mailq.example", ["ann@x.example"])
        send_mail("Hello", "Dear Bob,", "shop@mailq.example", ["bob@x.example"], using="slow")
        with connection.cursor() as cursor:
            cursor.execute("SELECT address, lane FROM inbox ORDER BY id")
            print(*cursor.fetchall())
        try:
            mailers["odd"]
        except InvalidMailer as error:
            print(error)
    """
    slow, odd = ({"BACKEND": BACKEND, "OPTIONS": options} for options in ({"lane": "bulk"}, {"speed": 7}))

    said = run(used, database_url, tmp_path=tmp_path, mailers={**ONE_MAILER, "slow": slow, "odd": odd})

    assert "('ann@x.example', 'transactional') ('bob@x.example', 'bulk')" in said
    assert "MAILERS['odd']: Unknown options 'speed'" in said


def test_a_schema_without_mailqs_tables_is_named(database_url, tmp_path):
    code = """
    from django.core.checks import run_checks
    from django.core.management import CommandError, call_command
    [fault] = run_checks(tags=["database"], databases=["default"])
    print(fault.id, fault.msg)
    try:
        call_command("mailq_check")
    except CommandError as error:
        print(error)
"""
    said = run(code, database_url, mailq="{'DATABASE': 'default', 'SCHEMA': 'nosuch'}", tmp_path=tmp_path)

    told = "None of mailq's tables are in schema 'nosuch' of 'default'."
    assert said == f"mailq.E002 {told}\n{told}\n"
