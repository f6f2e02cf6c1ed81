"""Settings are shown, secrets are not."""

import json

import pytest
from click.testing import CliRunner

from mailq.cli import main
from mailq.cli.config import redacted


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://mailq:s3cret@db:5432/mailq", "postgresql://mailq:***@db:5432/mailq"),
        ("redis://:s3cret@host:6379/0", "redis://:***@host:6379/0"),
        ("smtp://user:p%40ss@relay:25?starttls=require", "smtp://user:***@relay:25"),
        ("smtp://relay:25", "smtp://relay:25"),
        ("postgresql://mailq@db/mailq", "postgresql://mailq@db/mailq"),
        ("http://[broken", "***"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    assert redacted(url) == shown


def test_config_show_lists_every_setting_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILQ_DATABASE_URL", "postgresql://u:s3cret@h/d")
    monkeypatch.setenv("MAILQ_RETRY__FIRST", "90s")

    result = CliRunner().invoke(main, ["config", "show", "--json"])

    shown = json.loads(result.stdout)
    assert shown["MAILQ_DATABASE_URL"] == "postgresql://u:***@h/d"
    assert shown["MAILQ_RETRY__FIRST"] == "90s"
    assert shown["MAILQ_RELAY__SESSIONS"] == 20
    assert "s3cret" not in result.output


def test_a_setting_at_fault_is_named_and_its_value_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILQ_RELAY__SESSIONS", "s3cret")

    result = CliRunner().invoke(main, ["config", "show"])

    assert result.exit_code == 78
    assert "relay.sessions" in result.stderr
    assert "s3cret" not in result.output


def test_version_as_json_names_what_we_stand_on() -> None:
    shown = json.loads(CliRunner().invoke(main, ["version", "--json"]).stdout)

    assert {"mailq", "python", "celery", "sqlalchemy"} <= shown.keys()
