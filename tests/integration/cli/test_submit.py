"""`mailing submit`: a mailing is made whole, once; what is at fault is refused with one sentence and leaves nothing behind."""

import gzip
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from mailq.store import mailings
from mailq.store.database import Database
from tests.integration.cli.conftest import CONTENT, PEOPLE, Command

Stored = Callable[[], tuple[int, int, int]]


def test_a_submitted_mailing_is_in_the_books(mailqctl: Command, people: str, content: str, stored: Stored) -> None:
    done = mailqctl("mailing", "submit", people, "--content", content, "--name", "Spring", "--json")

    assert done.code == 0, done.err
    shown = done.document
    assert shown["mailing"].startswith("mlg_")
    assert (shown["created"], shown["state"]) == (True, "running")
    assert (shown["num_profiles"], shown["num_pending"], shown["num_skipped"]) == (4, 2, 2)
    assert stored()[0] == 1


def test_without_json_the_books_are_on_stdout_and_the_advice_on_stderr(mailqctl: Command, people: str, content: str) -> None:
    done = mailqctl("mailing", "submit", people, "--content", content)

    assert "num_profiles" in done.out
    assert "the books balance" in done.out
    assert "mailing watch mlg_" in done.err


def test_recipients_may_come_from_stdin(mailqctl: Command, content: str) -> None:
    done = mailqctl("mailing", "submit", "-", "--content", content, "--json", stdin=PEOPLE)

    assert done.code == 0, done.err
    assert done.document["num_profiles"] == 4


def test_everything_may_be_given_as_options(mailqctl: Command, people: str, tmp_path: Path) -> None:
    (tmp_path / "body.html").write_text("<p>{{ name }}</p>")
    done = mailqctl(
        "mailing", "submit", people, "--subject", "Hi", "--from", "a@x.example", "--text", "Dear {{ name }}",
        "--html", str(tmp_path / "body.html"), "--reply-to", "b@x.example", "--header", "X-Shop=7", "--lane", "normal",
        "--doubt-policy", "resend", "--batch-size", "1", "--at", "2099-01-01T00:00+00:00", "--expires", "2099-02-01T00:00+00:00",
        "--json",
    )  # fmt: skip

    assert done.code == 0, done.err
    assert done.document["state"] == "scheduled"
    shown = mailqctl("mailing", "show", done.document["mailing"], "--json").document
    assert (shown["lane"], shown["doubt_policy"], shown["num_batches"]) == ("normal", "resend", 4)
    assert "scheduled for 2099-01-01" in shown["why_not_moving"][0]


def test_the_same_key_and_content_again_is_the_same_mailing(
    mailqctl: Command, submitted: str, people: str, content: str, stored: Stored
) -> None:
    again = mailqctl("mailing", "submit", people, "--content", content, "--key", "spring", "--json")

    assert again.code == 0
    assert (again.document["mailing"], again.document["created"]) == (submitted, False)
    assert stored()[0] == 1


def test_a_key_that_belongs_to_another_content_is_a_conflict(
    mailqctl: Command, submitted: str, people: str, content: str, stored: Stored
) -> None:
    before = stored()

    done = mailqctl("mailing", "submit", people, "--content", content, "--subject", "Other {{ name }}", "--key", "spring")

    assert done.code == 5
    assert submitted in done.err
    assert stored() == before


def test_a_dry_run_shows_the_first_mail_and_stores_nothing(mailqctl: Command, people: str, content: str, stored: Stored) -> None:
    done = mailqctl("mailing", "submit", people, "--content", content, "--dry-run")

    assert done.code == 0, done.err
    assert "Subject: Hi Ann" in done.out
    assert "Dear Ann, hello." in done.out
    assert "line 5: " in done.out
    assert stored() == (0, 0, 0)


def test_a_dry_run_needs_no_database(bare: Command, people: str, content: str) -> None:
    done = bare("mailing", "submit", people, "--content", content, "--dry-run", "--json")

    assert done.code == 0, done.err
    shown = done.document
    assert (shown["num_valid"], shown["num_invalid"], shown["num_duplicates"]) == (2, 1, 1)
    assert shown["address"] == "ann@x.example"


def test_a_dry_run_finds_that_nobody_would_get_a_mail(bare: Command, content: str) -> None:
    done = bare("mailing", "submit", "-", "--content", content, "--dry-run", stdin="email,name\nnobody,x\n")

    assert done.code == 65
    assert "nobody would get a mail" in done.err


def test_a_template_that_fails_for_everybody_is_found_by_a_dry_run(bare: Command, people: str) -> None:
    words = ["--subject", "x", "--from", "a@x.example", "--text", "{{ ''.__class__ }}"]

    done = bare("mailing", "submit", people, *words, "--dry-run")

    assert done.code == 65
    assert "line 2: text, line 1" in done.out


def rows(text: str) -> bytes:
    return text.encode()


BAD_FILES = {
    "empty": (b"", "is empty"),
    "only a header": (rows("email,name\n"), "no recipients"),
    "binary": (bytes(range(256)) * 64, "not text|binary|NUL"),
    "an image": (b"\x89PNG\r\n\x1a\n" + bytes(200), "not text|binary|NUL"),
    "a NUL in a row": (rows("email,name\nann@x.example,A\0nn\n"), "NUL byte at offset 26"),
    "Latin-1": ("email,name\nann@x.example,Zoë\n".encode("latin-1"), "UTF-8"),
    "no address column": (rows("name,city\nAnn,Köln\n"), "no address column"),
    "a name twice": (rows("email,name,name\nann@x.example,a,b\n"), "more than once"),
    "an open quote": (rows('email,name\nann@x.example,"Ann\n' + "bob@x.example,Bob\n" * 3), "quote"),
    "half a gzip": (gzip.compress(rows(PEOPLE) * 1000)[:-20], "gzip|truncated|ends|damaged|incomplete"),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_file_that_cannot_be_read_is_refused_whole(
    mailqctl: Command, tmp_path: Path, content: str, stored: Stored, kind: str
) -> None:
    octets, reason = BAD_FILES[kind]
    file = tmp_path / ("people.csv.gz" if "gzip" in kind else "people.csv")
    file.write_bytes(octets)

    done = mailqctl("mailing", "submit", str(file), "--content", content)

    assert done.code == 65
    assert done.out == ""
    assert re.search(reason, done.err), done.err
    assert len(done.err.splitlines()) <= 2
    assert stored() == (0, 0, 0)


@pytest.mark.parametrize("name", ["missing.csv", "."])
def test_a_file_that_is_not_there_is_named(mailqctl: Command, tmp_path: Path, content: str, stored: Stored, name: str) -> None:
    done = mailqctl("mailing", "submit", str(tmp_path / name), "--content", content)

    assert done.code == 65
    assert str(tmp_path) in done.err
    assert stored() == (0, 0, 0)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("bob@x.example,Bob,too,many\n", "line 3"),
        ("bob@x.example\n", "line 3"),
        ("bob@x.example," + "x" * 10_000_000 + "\n", "line 3"),
    ],
    ids=["too many fields", "too few fields", "a field of 10 MB"],
)
def test_a_row_at_fault_is_skipped_with_its_line_and_the_others_are_not(
    mailqctl: Command, tmp_path: Path, content: str, row: str, why: str
) -> None:
    file = tmp_path / "people.csv"
    file.write_text(f"email,name\nann@x.example,Ann\n{row}cid@x.example,Cid\n")

    done = mailqctl("mailing", "submit", str(file), "--content", content, "--json")

    assert done.code == 0, done.err
    assert (done.document["num_pending"], done.document["num_skipped"]) == (2, 1)
    exported = mailqctl("mailing", "export", done.document["mailing"], "--state", "skipped")
    assert why in exported.out


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("line one\n{{ name", "text, line 2"),
        ("{% if name %}never closed", "text"),
        ("Dear {{ nmae }}", "`nmae` .did you mean `name`"),
    ],
    ids=["open expression", "open block", "unknown variable"],
)
def test_a_template_at_fault_is_refused_with_its_place(
    mailqctl: Command, tmp_path: Path, people: str, stored: Stored, text: str, reason: str
) -> None:
    path = tmp_path / "content.toml"
    path.write_text(CONTENT.replace("Dear {{ name }}, hello.", text.replace("\n", "\\n")))

    done = mailqctl("mailing", "submit", people, "--content", str(path))

    assert done.code == 65
    assert re.search(reason, done.err), done.err
    assert stored() == (0, 0, 0)


def test_a_broker_that_is_away_is_a_warning_and_the_mailing_is_safe(
    mailqctl: Command, people: str, content: str, stored: Stored
) -> None:
    away = {"MAILQ_REDIS_URL": "redis://:s3cret@127.0.0.1:1/0"}

    done = mailqctl("mailing", "submit", people, "--content", content, "--json", env=away)

    assert done.code == 0
    assert done.document["state"] == "running"
    assert "warning: broker redis://:***@127.0.0.1:1/0" in done.err
    assert "s3cret" not in done.err
    assert stored()[0] == 1


def test_a_load_that_was_cut_off_is_resumed_or_dropped(
    mailqctl: Command, people: str, content: str, database: Database, stored: Stored
) -> None:
    reference = _half_loaded(database, people, content)
    shown = mailqctl("mailing", "show", reference)
    assert f"--resume {reference}" in shown.out

    wrong = mailqctl("mailing", "submit", "-", "--resume", reference, stdin="email,name\nzoe@x.example,Zoe\n")
    assert wrong.code == 5
    done = mailqctl("mailing", "submit", people, "--resume", reference, "--json")
    assert done.code == 0, done.err
    assert (done.document["mailing"], done.document["num_profiles"]) == (reference, 4)

    other = _half_loaded(database, people, content)
    assert mailqctl("mailing", "drop", other).code == 65  # nobody said yes
    assert mailqctl("mailing", "drop", other, "--yes").code == 0
    assert mailqctl("mailing", "show", other).code == 4
    assert mailqctl("mailing", "drop", reference, "--yes").code == 5
    assert stored()[0] == 1


def _half_loaded(database: Database, people: str, content: str) -> str:
    """A mailing as a submit leaves it that dies before its first chunk."""
    from mailq.cli.content_file import read_content
    from mailq.engine import producer
    from mailq.engine.intake import open_source

    class Killed(Exception):
        pass

    def die(_: object) -> None:
        raise Killed

    with open_source(Path(people)) as source, pytest.raises(Killed):
        producer.submit(database, producer.MailingOrder("half", read_content(Path(content), {})), source, progress=die)
    with database.begin() as tx:
        return mailings.summaries(tx, limit=1)[0].mailing.public_id


def test_ctrl_c_in_a_load_says_how_to_go_on(
    mailqctl: Command, people: str, content: str, monkeypatch: pytest.MonkeyPatch, database: Database
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("mailq.cli.progress.Lines.at", interrupt)
        done = mailqctl("mailing", "submit", people, "--content", content)

    assert done.code == 130
    with database.begin() as tx:
        (left,) = mailings.summaries(tx)
    assert left.mailing.state == "loading"
    assert f"--resume {left.mailing.public_id}" in done.err


@pytest.mark.parametrize("moment", ["tomorrow", "2099-01-01T00:00"])
def test_a_moment_without_a_time_zone_is_a_mistake_of_usage(bare: Command, people: str, content: str, moment: str) -> None:
    done = bare("mailing", "submit", people, "--content", content, "--at", moment)

    assert done.code == 2
    assert "2026-12-24T18:00+01:00" in done.err
