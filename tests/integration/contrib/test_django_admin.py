"""The admin pages: look at mailings, and steer them."""

from io import StringIO

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.db import connection
from django.test import Client as Browser
from django.test.utils import override_settings

from mailq.core.mailing import State
from mailq.core.suppression import Reason
from mailq.store import organizations, suppressions
from mailq.store.database import Database
from mailq.store.tables import delivery, metadata
from tests.support import django_project
from tests.support.mailings import finish_batch, make_mailing, make_owner

MAILINGS = "/admin/mailq/mailing/"


@pytest.fixture(scope="module")
def site_url(databases):
    """A database with mailq's tables and Django's."""
    url = databases.create()
    with django_project.pointed_at(url):
        call_command("migrate", verbosity=0)
    yield url
    databases.drop(url)


@pytest.fixture(autouse=True)
def books(site_url):
    """mailq's books, in the database of the project."""
    opened = Database(site_url, application="tests")
    with django_project.pointed_at(site_url):
        yield opened
    opened.close()


@pytest.fixture
def browse():
    """Makes a browser in which somebody with these permissions is logged in."""

    def browse(*permissions):
        user = User.objects.create_user(f"u{User.objects.count()}", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions, content_type__app_label="mailq"))
        browser = Browser()
        browser.force_login(user)
        return browser

    return browse


def a_mailing(books, sizes=(3,), **options):
    """One whose first batch is sent, if it has two."""
    with books.begin() as tx:
        made = make_mailing(tx, sizes, **options)
        if len(sizes) > 1:
            finish_batch(tx, made.batches[0], make_owner(tx, made.public_id))
    return made


def state_of(books, made):
    """Of a mailing."""
    from mailq.store import mailings

    with books.begin() as tx:
        return mailings.get(tx, made.id).state


def steer(browser, action, *made):
    """Choose mailings in the list, and do something to them; the page that follows."""
    chosen = {"action": action, "_selected_action": [mailing.id for mailing in made]}
    return browser.post(MAILINGS, chosen, follow=True).content.decode()


def test_the_list_shows_how_far_each_mailing_is(books, browse):
    """One bar each, from the sum over its batches."""
    a_mailing(books, (3, 2))

    page = browse("view_mailing").get(MAILINGS).content.decode()

    assert "Spring sale" in page
    assert '<progress max="5" value="3"></progress> 3 of 5' in page


def test_the_books_of_a_page_are_one_query(books, browse):
    """Not one for each mailing, and not the sum over all there are."""
    from django.test.utils import CaptureQueriesContext

    for _ in range(3):
        a_mailing(books)
    browser = browse("view_mailing")

    with CaptureQueriesContext(connection) as queries:
        browser.get(MAILINGS)

    assert len([query for query in queries.captured_queries if '"mailing_books"' in query["sql"]]) == 1


def test_a_page_shows_the_books_the_words_and_who_was_not_sent_to(books, browse):
    """With what the relay said."""
    made = a_mailing(books, (3, 2))
    with books.begin() as tx:
        refused = {"state": "error", "reply": "550 5.1.1 no such user"}
        tx.execute(delivery.update().where(delivery.c.mailing_id == made.id, delivery.c.seq == 5).values(**refused))
        tx.exec_driver_sql("UPDATE batch SET num_errors = 1 WHERE id = %s", (made.batches[1],))

    page = browse("view_mailing").get(f"{MAILINGS}{made.id}/change/").content.decode()

    for words in ("num_sent: 3", "num_errors: 1", "r5@example.org", "550 5.1.1 no such user", "Dear {{ name }}"):
        assert words in page


def test_a_mailing_that_is_not_loaded_yet_has_a_page(books, browse):
    """Its books are empty."""
    with books.begin() as tx:
        made = make_mailing(tx, (1,), state=State.LOADING)
        tx.exec_driver_sql("DELETE FROM batch WHERE mailing_id = %s", (made.id,))

    page = browse("view_mailing").get(f"{MAILINGS}{made.id}/change/").content.decode()

    assert "num_profiles: 0" in page


def test_who_may_change_mailings_pauses_resumes_and_cancels_them(books, browse):
    """Through the client, and the log of the admin says who did."""
    made = a_mailing(books)
    browser = browse("view_mailing", "change_mailing")

    assert "Spring sale: paused" in steer(browser, "pause", made)
    assert state_of(books, made) == "paused"
    assert "Spring sale: resumed" in steer(browser, "resume", made)
    assert "Spring sale: cancelled" in steer(browser, "cancel", made)
    assert state_of(books, made) == "cancelled"
    assert "cancelled" in browser.get(f"{MAILINGS}{made.id}/history/").content.decode()


def test_what_cannot_be_done_is_said_and_the_rest_is_done(books, browse):
    """A mailing that is cancelled cannot be paused."""
    ended, running = a_mailing(books), a_mailing(books)
    browser = browse("change_mailing")
    steer(browser, "cancel", ended)

    page = steer(browser, "pause", ended, running)

    assert "cannot pause" in page
    assert state_of(books, running) == "paused"


def test_who_may_only_look_changes_nothing(books, browse):
    """Neither by an action nor by a form."""
    made = a_mailing(books)
    browser = browse("view_mailing", "view_suppression")

    steer(browser, "cancel", made)

    assert state_of(books, made) == "running"
    for each in (browser, browse("change_mailing")):
        assert each.post(f"{MAILINGS}{made.id}/change/", {"name": "Other"}).status_code == 403
    assert browser.post(f"{MAILINGS}add/", {}).status_code == 403
    assert browser.post(f"{MAILINGS}{made.id}/delete/", {"post": "yes"}).status_code == 403
    assert browse().get(MAILINGS).status_code == 403


def test_the_mailings_of_another_organization_are_not_there(books, browse):
    """As if they were not."""
    made = a_mailing(books)
    with books.begin() as tx:
        other = organizations.create(tx, f"org_{made.id}", f"of {made.id}")
        tx.exec_driver_sql("UPDATE mailing SET organization_id = %s WHERE id = %s", (other.id, made.id))

    answer = browse("view_mailing").get(f"{MAILINGS}{made.id}/change/", follow=True)

    assert "doesn’t exist" in answer.content.decode()


def test_suppressed_addresses_are_listed_and_found(books, browse):
    """In lower case, as they are kept."""
    with books.begin() as tx:
        owner = organizations.id_of(tx, "default")
        suppressions.add(tx, owner, "ann@x.example", Reason.COMPLAINED)
        suppressions.add(tx, owner, "bob@x.example", Reason.MANUAL, "asked by phone")

    page = browse("view_suppression").get("/admin/mailq/suppression/", {"q": "BOB"}).content.decode()

    assert "asked by phone" in page
    assert "ann@x.example" not in page


def test_django_migrates_nothing_of_mailqs(books):
    """Neither are there changes to write down, nor does a migration or a test database make or drop a table."""
    before = tables(books)

    said = StringIO()
    call_command("makemigrations", "--check", "--dry-run", stdout=said)
    call_command("migrate", run_syncdb=True, verbosity=0)

    assert "No changes detected" in said.getvalue()
    assert tables(books) == before
    assert set(metadata.tables) <= set(before)


def tables(books):
    """All there are, with their columns."""
    from sqlalchemy import inspect

    looked = inspect(books.engine)
    return {name: [column["name"] for column in looked.get_columns(name)] for name in looked.get_table_names()}


def test_somebody_who_forgot_the_password_gets_a_mail(books):
    """Of django.contrib.auth, as any project has it."""
    User.objects.create_user("ann", "ann@x.example", "forgotten")

    answer = Browser().post("/accounts/password_reset/", {"email": "ann@x.example"})

    assert answer.status_code == 302
    with books.begin() as tx:
        mime = tx.exec_driver_sql("SELECT variables ->> 'mime' FROM inbox WHERE address = 'ann@x.example'").scalar_one()
    assert "/accounts/reset/" in mime


def test_without_a_database_of_djangos_there_are_no_pages():
    """There is nothing to read them through."""
    from django.contrib import admin

    from mailq.contrib.django.admin import register
    from mailq.contrib.django.models import Mailing

    site = admin.AdminSite("other")
    with override_settings(MAILQ={"DATABASE": "https://mailq.example", "KEY": "mq_live_x"}):
        register(site)
        assert not site.is_registered(Mailing)
    register(site)
    assert site.is_registered(Mailing)
