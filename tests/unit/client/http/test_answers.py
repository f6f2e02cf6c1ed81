"""Answers of the API become the values and errors that every door knows, whatever comes instead of one."""

from datetime import UTC, datetime

import pytest

from mailq.client.http import answers
from mailq.client.http.answers import Again, Answer
from mailq.client.http.patience import Patience
from mailq.errors import BadInput, Conflict, Forbidden, MailqError, Misconfigured, NotFound, Unavailable
from tests.support.hostile_api import problem, reply

BASE = "https://mailq.example"
BOOKS = {
    "num_profiles": 3,
    "num_pending": 1,
    "num_deferred": 0,
    "num_sent": 2,
    "num_errors": 0,
    "num_skipped": 0,
    "num_in_doubt": 0,
}


def answer(raw: bytes) -> Answer:
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return Answer(int(first.split()[1]), dict(line.split(": ", 1) for line in lines), body)


def error(raw: bytes) -> Exception:
    with pytest.raises((MailqError, Again)) as told:
        answers.read(answer(raw), base=BASE)
    return told.value


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadInput),
        (401, Misconfigured),
        (403, Forbidden),
        (404, NotFound),
        (405, Misconfigured),
        (409, Conflict),
        (410, Misconfigured),
        (413, BadInput),
        (415, BadInput),
        (422, BadInput),
        (501, Unavailable),
        *((status, Again) for status in (408, 425, 429, 500, 502, 503, 504)),
    ],
)
def test_a_problem_is_the_error_that_other_doors_raise(status: int, kind: type[Exception]) -> None:
    found = error(problem(status, "the reason"))

    assert type(found) is kind
    assert "the reason" in str(found)


@pytest.mark.parametrize(
    ("where", "field"),
    [
        ({"pointer": "#/subject"}, "subject"),
        ({"pointer": "#/headers/List-Id"}, "header List-Id"),
        ({"pointer": "#/headers/X~1Y"}, "header X/Y"),
        ({"pointer": "#/recipients/3/address"}, "recipients"),
        ({"pointer": "#"}, "content"),
        ({"parameter": "state"}, "state"),
        ({"header": "Idempotency-Key"}, "key"),
        ({"line": 7}, "recipients"),
        ({}, None),
    ],
)
def test_the_field_at_fault_has_the_name_that_every_door_gives_it(where: dict[str, str | int], field: str | None) -> None:
    found = error(problem(422, "the body is not as it should be", where | {"detail": "must be one line"}))

    assert isinstance(found, BadInput)
    assert found.field == field
    assert "must be one line" in str(found)


def test_a_detail_is_not_said_twice() -> None:
    found = error(problem(422, "subject: must be one line", {"pointer": "#/subject", "detail": "subject: must be one line"}))

    assert str(found) == "subject: must be one line"


@pytest.mark.parametrize("status", [200, 201, 202])
@pytest.mark.parametrize("body", [b"", b"<html>Log in</html>", b"[1]", b"\xff\xfe", b"[" * 100_000, b'"text"'])
def test_garbage_in_place_of_an_answer_leaves_open_what_was_done(status: int, body: bytes) -> None:
    found = error(reply(status, body))

    assert type(found) is Unavailable
    assert "nobody knows" in str(found)


@pytest.mark.parametrize("status", [404, 409, 422])
def test_a_refusal_that_is_not_mailqs_says_nothing_about_the_request(status: int) -> None:
    """A proxy that knows no such page must not look like a mailing that is not there."""
    assert type(error(reply(status, b"<html>Not Found</html>", media_type="text/html"))) is Misconfigured


def test_a_redirect_is_told_and_its_query_is_not() -> None:
    found = error(reply(308, location="https://new.example/mailq?token=secret"))

    assert type(found) is Misconfigured
    assert "https://new.example/mailq" in str(found)
    assert "secret" not in str(found)


def test_an_answer_that_lacks_something_is_none_of_mailqs() -> None:
    with pytest.raises(Unavailable, match="no answer of mailq"):
        answers.value({"id": "mlg_1"}, answers.progress, base=BASE)
    with pytest.raises(Unavailable, match="no answer of mailq"):
        answers.page({"data": [{"no": "address"}]}, base=BASE)


def test_progress_is_read_with_its_moments_and_whatever_a_newer_server_says_besides() -> None:
    said = {"id": "mlg_1", "name": "Sale", "key": None, "state": "running", "created_at": "2026-11-22T06:00:00Z", "mood": "good"}
    found = answers.value(said | BOOKS, answers.progress, base=BASE)

    assert found.num_sent == 2
    assert found.created_at == datetime(2026, 11, 22, 6, tzinfo=UTC)
    assert found.finished_at is None


def test_the_next_page_begins_where_the_answer_says() -> None:
    row = {"mailing": "mlg_1", "seq": 1, "address": "ann@x.example", "state": "sent"}

    assert answers.page({"data": [row], "next_cursor": "c2"}, base=BASE)[1] == "c2"
    assert answers.page({"data": [row], "next_cursor": None}, base=BASE)[1] is None


def test_a_server_that_names_a_time_is_asked_again_after_it() -> None:
    patience = Patience(total_s=60, first_s=0.5)

    asked = error(problem(429, "too many requests", retry_after="7"))
    wait = patience.wait(asked)
    assert wait is not True
    assert 7 <= wait <= 7.5
    assert patience.wait(error(problem(503, "away"))) is True
    assert patience.wait(error(problem(503, "away", retry_after="Wed, 21 Oct 2026 07:28:00 GMT"))) is True


def test_one_that_names_a_time_beyond_all_patience_is_not_waited_for() -> None:
    assert Patience(total_s=60).wait(error(problem(429, "too many requests", retry_after="3600"))) is False


def test_a_refusal_is_never_repeated() -> None:
    assert Patience().wait(error(problem(422, "no"))) is False
    assert Patience().wait(error(problem(409, "no"))) is False
