"""Services that are away, wrong or not migrated: each is named, without its password, and nothing is half-done."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from mailq.cli.worker import command
from mailq.core.mailing import Lane
from mailq.settings import Settings
from tests.integration.cli.conftest import Command
from tests.support.servers import temporary_home

NOBODY = "postgresql://mailq:s3cret@127.0.0.1:1/mailq"
READING = (["mailing", "list"], ["mailing", "show", "x"], ["mailing", "export", "x"], ["history", "a@x.example"], ["db", "check"])


@pytest.mark.parametrize("words", [*READING, ["db", "upgrade"], ["mailing", "cancel", "x", "--yes"]], ids=" ".join)
def test_a_database_that_is_away_is_named_without_its_password(bare: Command, words: list[str]) -> None:
    done = bare(*words, env={"MAILQ_DATABASE_URL": NOBODY})

    assert done.code == 69
    assert done.err.startswith("mailqctl: database postgresql://mailq:***@127.0.0.1:1/mailq is not available: ")
    assert "s3cret" not in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize("words", [*READING[:-1], ["mailing", "pause", "x"]], ids=" ".join)
def test_a_database_that_is_not_migrated_says_how_to_do_it(bare: Command, empty_database_url: str, words: list[str]) -> None:
    done = bare(*words, env={"MAILQ_DATABASE_URL": empty_database_url})

    assert done.code == 78
    assert "is not migrated; run `mailqctl db upgrade`" in done.err


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_no_database_at_all_says_what_to_set(bare: Command, words: list[str]) -> None:
    done = bare(*words)

    assert done.code == 78
    assert "set MAILQ_DATABASE_URL, or start a local stack with `mailqctl up`" in done.err


def test_a_submit_to_a_database_that_is_not_migrated_stores_nothing(
    bare: Command, empty_database_url: str, people: str, content: str
) -> None:
    done = bare("mailing", "submit", people, "--content", content, env={"MAILQ_DATABASE_URL": empty_database_url})

    assert done.code == 78
    assert "db upgrade" in done.err


def test_upgrade_makes_a_database_that_passes_the_check(bare: Command, empty_database_url: str) -> None:
    env = {"MAILQ_DATABASE_URL": empty_database_url}
    assert bare("db", "check", env=env).code == 1

    assert bare("db", "upgrade", env=env).code == 0
    assert bare("db", "upgrade", env=env).code == 0

    shown = bare("db", "check", "--json", env=env)
    assert shown.code == 0
    assert shown.document["differences"] == []
    assert shown.document["months_ahead"] >= 1


def test_the_check_finds_a_column_that_somebody_dropped(mailqctl: Command, database: object) -> None:
    from sqlalchemy import text

    with database.begin() as tx:  # type: ignore[attr-defined]
        tx.execute(text("ALTER TABLE mailing DROP COLUMN expires_at"))

    shown = mailqctl("db", "check", "--json")

    assert shown.code == 1
    assert any("expires_at" in line for line in shown.document["differences"])


@pytest.mark.parametrize(
    ("env", "code", "said"),
    [
        ({}, 78, "no redis_url: set MAILQ_REDIS_URL"),
        ({"MAILQ_REDIS_URL": "redis://h"}, 78, "no database_url"),
        ({"MAILQ_REDIS_URL": "redis://h", "MAILQ_DATABASE_URL": NOBODY}, 78, "no relay_url"),
        ({"MAILQ_REDIS_URL": "redis://h", "MAILQ_DATABASE_URL": NOBODY, "MAILQ_RELAY_URL": "http://h"}, 78, "smtp://host:25"),
        (
            {"MAILQ_REDIS_URL": "redis://:s3cret@127.0.0.1:1", "MAILQ_DATABASE_URL": NOBODY, "MAILQ_RELAY_URL": "smtp://h"},
            69,
            "broker redis://:***@127.0.0.1:1 does not answer",
        ),
    ],
)
def test_a_worker_that_could_not_work_does_not_start(bare: Command, env: dict[str, str], code: int, said: str) -> None:
    done = bare("worker", env=env)

    assert done.code == code
    assert said in done.err
    assert "s3cret" not in done.err


def test_a_worker_does_not_start_on_a_database_that_is_not_migrated(
    bare: Command, empty_database_url: str, redis_url: str
) -> None:
    env = {"MAILQ_REDIS_URL": redis_url, "MAILQ_DATABASE_URL": empty_database_url, "MAILQ_RELAY_URL": "smtp://h"}

    done = bare("worker", env=env)

    assert done.code == 78
    assert "db upgrade" in done.err


def test_a_worker_hands_on_what_stands_behind_the_dashes(mailqctl: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    became: list[list[str]] = []
    monkeypatch.setattr("os.execv", lambda _, words: became.append(words))

    done = mailqctl("worker", "--lane", "bulk", "-c", "3", "--", "--loglevel", "WARNING")

    assert done.code == 0, done.err
    (words,) = became
    assert words[0] == sys.executable
    assert words[words.index("-Q") + 1] == "mailq.bulk,mailq.upkeep"
    assert words[-2:] == ["--loglevel", "WARNING"]


def test_a_worker_serves_every_lane_unless_told_otherwise() -> None:
    chosen = Settings(server_id="mail 1:8851")

    words = command(chosen, [*Lane], 2)

    assert words[:5] == ["-m", "celery", "-A", "workers", "worker"]
    assert words[words.index("-Q") + 1] == "mailq.transactional,mailq.normal,mailq.bulk,mailq.upkeep"
    assert words[words.index("-n") + 1] == "mail-1-8851@%h"
    assert words[words.index("-c") + 1] == "2"
    assert {"--without-mingle", "--without-gossip", "-E"} <= set(words)


def test_the_doctor_finds_nothing_wrong_with_good_services_but_that_a_tests_database_is_not_safe(
    mailqctl: Command, sink: object
) -> None:
    done = mailqctl("doctor", "--json", env={"MAILQ_RELAY_URL": sink.url})  # type: ignore[attr-defined]

    levels = {(each["what"], each["level"]) for each in done.document}
    failed = [each["text"].partition(" ")[0] for each in done.document if each["level"] == "fail"]
    assert (done.code, failed) == (1, ["fsync", "full_page_writes"]), done.out
    assert {("database", "ok"), ("schema", "ok"), ("broker", "ok"), ("relay", "ok"), ("servers", "warn")} <= levels


def test_the_doctor_names_what_is_wrong_and_how_to_fix_it(bare: Command, empty_database_url: str) -> None:
    env = {
        "MAILQ_DATABASE_URL": empty_database_url,
        "MAILQ_REDIS_URL": "redis://:s3cret@127.0.0.1:1/0",
        "MAILQ_RELAY_URL": "smtp://u:s3cret@127.0.0.1:1",
        "MAILQ_RELAY_SESSIONS": "5",
    }

    done = bare("doctor", "--json", env=env)

    assert done.code == 1
    failed = {each["what"]: each for each in done.document if each["level"] == "fail"}
    assert failed.keys() == {"database", "schema", "broker", "relay"}
    assert failed["schema"]["fix"] == "mailqctl db upgrade"
    assert all(each["fix"] for each in failed.values())
    (hint,) = [each for each in done.document if each["what"] == "settings"]
    assert hint["fix"] == "did you mean MAILQ_RELAY__SESSIONS?"
    assert "s3cret" not in done.out


def test_the_doctor_survives_settings_that_cannot_be_read(bare: Command) -> None:
    done = bare("doctor", env={"MAILQ_BATCH__SIZE": "many", "MAILQ_RETRY__FRIST": "3s"})

    assert done.code == 1
    assert "batch.size" in done.out
    assert "did you mean MAILQ_RETRY__FIRST?" in done.out


def test_a_port_that_is_taken_is_named(postgres_url: str, redis_url: str) -> None:
    """A process of its own: the stack wants the main thread."""
    with temporary_home() as home, socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        env = {"MAILQ_HOME": str(home), "MAILQ_DATABASE_URL": postgres_url, "MAILQ_REDIS_URL": redis_url, "PATH": "/usr/bin:/bin"}
        done = subprocess.run(
            [sys.executable, "-m", "mailq", "up", "--sink-port", str(port)],
            env=env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert done.returncode == 69
    assert f"the mail sink cannot listen on 127.0.0.1:{port}: address already in use" in done.stderr
    assert "Traceback" not in done.stderr


def test_down_without_a_stack_is_no_mistake(bare: Command, tmp_path: Path) -> None:
    done = bare("down", env={"MAILQ_HOME": str(tmp_path)})

    assert done.code == 0
    assert "no stack runs" in done.err


def test_a_pipe_that_closes_early_ends_an_export_quietly(
    mailqctl: Command, database_url: str, content: str, tmp_path: Path
) -> None:
    many = tmp_path / "many.csv"
    many.write_text("email,name\n" + "".join(f"c{number}@x.example,C\n" for number in range(20_000)))
    reference = mailqctl("mailing", "submit", str(many), "--content", content, "--json").document["mailing"]
    words = [sys.executable, "-m", "mailq", "mailing", "export", reference, "--json"]

    with subprocess.Popen(
        words, env={"MAILQ_DATABASE_URL": database_url, "PATH": "/usr/bin:/bin"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as export:
        assert export.stdout
        assert export.stderr
        assert json.loads(export.stdout.readline())["seq"] == 1
        export.stdout.close()
        assert export.stderr.read() == b""
        assert export.wait(30) == 141
