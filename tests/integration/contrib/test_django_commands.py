"""`manage.py mailq_…`, and the checks that look into the database."""

from io import StringIO

import pytest
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.test.utils import override_settings

from mailq.client import Mailing
from mailq.contrib.django import submit
from tests.support import django_project

pytestmark = pytest.mark.usefixtures("project")


@pytest.fixture
def news():
    """A mailing."""
    return submit(Mailing("News", "News", "shop@mailq.example", "Dear all,\n", key="news-11"), ["ann@x.example"])


def said(*words):
    """What a command says."""
    output = StringIO()
    call_command(*words, stdout=output)
    return output.getvalue()


def test_status_names_the_last_mailings_or_the_one_that_is_asked_for(news):
    """By its id or its key."""
    line = f"{news.id}  loading    0/1 sent=0 errors=0 in_doubt=0  News\n"

    assert said("mailq_status") == said("mailq_status", "news-11") == said("mailq_status", news.id) == line


def test_a_mailing_is_cancelled_by_its_key(news):
    """And what cannot be done is a sentence."""
    with pytest.raises(CommandError, match="cannot pause"):
        said("mailq_pause", "news-11")

    assert "cancelled" in said("mailq_cancel", "news-11")


@pytest.mark.parametrize("command", ["mailq_status", "mailq_pause", "mailq_resume", "mailq_cancel"])
def test_a_mailing_that_is_not_there_is_named_without_a_traceback(command):
    """With the exit code that mailqctl has for it."""
    with pytest.raises(CommandError, match="news-12") as refused:
        said(command, "news-12")

    assert refused.value.returncode == 4


def test_with_a_door_elsewhere_status_wants_a_name(news, database_url):
    """Only that one is asked for; there are no tables to look through."""
    with override_settings(MAILQ={"DATABASE": database_url}):
        assert news.id in said("mailq_status", "news-11")
        with pytest.raises(CommandError, match="name a mailing"):
            said("mailq_status")


def test_check_says_that_all_is_well(database_url):
    """Through Django's database and through a door elsewhere."""
    assert "through default" in said("mailq_check")
    with override_settings(MAILQ={"DATABASE": database_url}):
        assert "its own address" in said("mailq_check")


def test_check_says_what_is_in_the_way(databases):
    """No tables; old tables; nobody there; a setting that cannot be."""
    empty = databases.create_empty()
    with django_project.pointed_at(empty), pytest.raises(CommandError, match="none of mailq's tables"):
        said("mailq_check")
    databases.drop(empty)
    with override_settings(MAILQ={"DATABASE": "postgresql://nobody:secret@127.0.0.1:1/x"}):
        with pytest.raises(CommandError) as refused:
            said("mailq_check")
        assert "secret" not in str(refused.value)
    with override_settings(MAILQ={"DATABASE": "nowhere"}), pytest.raises(CommandError, match="nowhere"):
        said("mailq_check")


def test_an_organization_that_is_not_there_is_in_the_way_too():
    """The first mail would find out otherwise."""
    with override_settings(MAILQ={"ORGANIZATION": "nobody"}), pytest.raises(CommandError, match="nobody"):
        said("mailq_check")


@pytest.mark.parametrize(("revision", "hint"), [("0001", "mailqctl db upgrade"), ("9999", "Install the mailq")])
def test_tables_of_another_revision_are_found_by_djangos_check(database, revision, hint):
    """`check --database default`, which a deploy runs. No upgrade goes back to what this mailq needs."""
    assert run_checks(tags=["database"], databases=["default"]) == []
    with database.begin() as tx:
        tx.exec_driver_sql(f"UPDATE schema_revision SET version_num = '{revision}'")

    [fault] = run_checks(tags=["database"], databases=["default"])

    assert (fault.id, f"revision {revision}" in fault.msg, hint in fault.hint) == ("mailq.E002", True, True)


@pytest.mark.parametrize(
    ("mailq", "command"), [({"DATABASE": "default"}, "db upgrade"), ({"OUTBOX": "default"}, "outbox create")]
)
def test_djangos_check_says_how_missing_tables_are_made(databases, mailq, command):
    """mailq's own, or the outbox's."""
    empty = databases.create_empty()
    with override_settings(MAILQ=mailq), django_project.pointed_at(empty):
        [fault] = run_checks(tags=["database"], databases=["default"])
    databases.drop(empty)

    assert (fault.id, fault.hint) == ("mailq.E002", f"Run `mailqctl {command}` on that database.")


def test_djangos_check_says_how_a_missing_organization_is_made():
    with override_settings(MAILQ={"ORGANIZATION": "nobody"}):
        [fault] = run_checks(tags=["database"], databases=["default"])

    assert "nobody" in fault.msg
    assert "mailqctl organization create" in fault.hint


@pytest.mark.parametrize("words", [["mailq_check"], ["mailq_status"], ["mailq_status", "news-11"], ["mailq_pause", "news-11"]])
def test_a_database_that_is_down_is_one_line(words):
    """Nothing asks the dead connection again."""
    with django_project.pointed_at("postgresql://app@127.0.0.1:1/shop"), pytest.raises(CommandError) as refused:
        said(*words)

    assert str(refused.value).startswith("database 'default' is not available: ")
    assert "\n" not in str(refused.value)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


@pytest.mark.parametrize("mailq", [{"DATABASE": "default"}, {"OUTBOX": "default"}])
def test_djangos_check_names_a_database_that_is_down(mailq):
    """Where the tables would be, and where an outbox would. No command of mailq's brings it up."""
    with override_settings(MAILQ=mailq), django_project.pointed_at("postgresql://app@127.0.0.1:1/shop"):
        [fault] = run_checks(tags=["database"], databases=["default"])

    assert fault.id == "mailq.E002"
    assert fault.msg.startswith("database 'default' is not available: ")
    assert "database runs" in fault.hint
    assert "mailqctl" not in fault.hint
