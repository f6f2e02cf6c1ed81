"""Settings: where they come from, which of them wins, and what is said when one is at fault."""

import socket
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import BaseModel, SecretStr, ValidationError

from mailq import bootstrap, settings
from mailq.core.networks import networks
from mailq.engine.calls.addresses import Policy
from mailq.errors import Misconfigured
from mailq.settings import STACK_FILE, Settings

PASSWORD = "hunter2-and-more"
URL = f"postgresql://mailq:{PASSWORD}@db.example/mailq"

Write = Callable[[str, str], Path]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory with an empty home and no secrets of the machine."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAILQ_HOME", str(tmp_path / "var"))
    monkeypatch.setattr(settings, "SECRETS", tmp_path / "secrets")
    return tmp_path


@pytest.fixture
def write(place: Path) -> Write:
    """Writes a file below the working directory."""

    def written(name: str, text: str) -> Path:
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return written


def test_without_any_source_every_setting_has_its_default() -> None:
    """A bare machine needs nothing but the URLs, and the local stack brings those."""
    chosen = settings.load()

    assert (chosen.database_url, chosen.redis_url, chosen.relay_url) == (None, None, None)
    assert chosen.relay.sessions == 20
    assert chosen.stop_grace == timedelta(seconds=30)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("250ms", timedelta(milliseconds=250)),
        ("90s", timedelta(seconds=90)),
        ("1.5m", timedelta(seconds=90)),
        ("72h", timedelta(hours=72)),
        ("3 d", timedelta(days=3)),
        ("45", timedelta(seconds=45)),
        ("PT2M", timedelta(minutes=2)),
    ],
)
def test_a_duration_is_written_with_its_unit(monkeypatch: pytest.MonkeyPatch, written: str, meant: timedelta) -> None:
    """Or as ISO 8601, or as plain seconds."""
    monkeypatch.setenv("MAILQ_STOP_GRACE", written)

    assert settings.load().stop_grace == meant


@pytest.mark.parametrize(
    "written", ["soon", "5 parsecs", "", "s", "-5s", "-5", "-PT5S", "1h30", "nan", "inf", "367d", "9999999999999d"]
)
def test_what_is_no_duration_is_refused(monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    """Never read as zero, nor as its first number."""
    monkeypatch.setenv("MAILQ_STOP_GRACE", written)

    with pytest.raises(Misconfigured, match="stop_grace"):
        settings.load()


def test_a_part_is_set_by_two_underscores_and_the_rest_of_it_keeps_its_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    """One variable per setting; none of them is JSON."""
    monkeypatch.setenv("MAILQ_RELAY__SESSIONS", "7")
    monkeypatch.setenv("MAILQ_RELAY__DOT_TIMEOUT", "11m")
    chosen = settings.load().relay

    assert (chosen.sessions, chosen.dot_timeout) == (7, timedelta(minutes=11))
    assert chosen.messages_per_session == 1000


def test_the_environment_beats_a_secret_beats_the_file_beats_the_stack(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of four settings is taken from the strongest source that has it."""
    names = ("database_url", "redis_url", "relay_url", "server_id")
    write(f"var/{STACK_FILE}", "".join(f'{name} = "stack"\n' for name in names))
    write("mailq.toml", "".join(f'{name} = "file"\n' for name in names[:3]))
    for name in names[:2]:
        write(f"secrets/mailq_{name}", "secret")
    monkeypatch.setenv("MAILQ_DATABASE_URL", "environment")
    chosen = settings.load()

    assert [settings.required(getattr(chosen, name), name) for name in names[:3]] == ["environment", "secret", "file"]
    assert chosen.server_id == "stack"


def test_sources_are_merged_key_by_key_within_a_part(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable for one setting of the relay does not wipe out the file's others."""
    write("mailq.toml", '[relay]\nsessions = 5\nrest = "40s"\n')
    monkeypatch.setenv("MAILQ_RELAY__SESSIONS", "6")
    chosen = settings.load().relay

    assert (chosen.sessions, chosen.rest) == (6, timedelta(seconds=40))


def test_secrets_of_other_programs_do_no_harm(write: Write) -> None:
    """`/run/secrets` is shared by what runs in a container; a line end of an editor is no part of a secret."""
    write("secrets/postgres_password", PASSWORD)
    write("secrets/mailq_database_url", f"{URL}\n")

    assert settings.required(settings.load().database_url, "database_url") == URL


@pytest.mark.parametrize("name", ["mailq.toml", f"var/{STACK_FILE}"])
@pytest.mark.parametrize(("text", "key"), [('rleay_url = "x"', "rleay_url"), ("[relay]\nsesions = 5", "relay.sesions")])
def test_an_unknown_key_of_a_file_is_refused_by_name(write: Write, name: str, text: str, key: str) -> None:
    """A setting that was misspelt is not silently its default."""
    write(name, text)

    with pytest.raises(Misconfigured, match=key):
        settings.load()


def test_a_file_that_is_no_toml_is_told_in_words(write: Write) -> None:
    """Not as a traceback of the parser."""
    write("mailq.toml", "relay_url = = 5")

    with pytest.raises(Misconfigured, match=r"cannot be read"):
        settings.load()


def test_every_fault_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who mends the first should not have to start again to hear of the second."""
    monkeypatch.setenv("MAILQ_RELAY__SESSIONS", "0")
    monkeypatch.setenv("MAILQ_LOG", "loud")

    with pytest.raises(Misconfigured) as fault:
        settings.load()
    assert {line.split(":")[0].strip() for line in str(fault.value).splitlines()[1:]} == {"relay.sessions", "log"}


@pytest.mark.parametrize("name", ["MAILQ_SERVER_PORT", "MAILQ_LOG", "MAILQ_STOP_GRACE", "MAILQ_BATCH__SIZE", "MAILQ_RELAY"])
def test_a_fault_never_shows_the_value(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """People put passwords into the wrong variable, and error messages into tickets."""
    monkeypatch.setenv(name, URL)

    with pytest.raises(Misconfigured) as fault:
        settings.load()
    assert PASSWORD not in str(fault.value)
    assert fault.value.__cause__ is None
    assert fault.value.__suppress_context__


def test_a_secret_is_in_no_representation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings end up in logs and tracebacks; the value is had only by asking for it."""
    for name in ("DATABASE_URL", "REDIS_URL", "RELAY_URL"):
        monkeypatch.setenv(f"MAILQ_{name}", URL)
    chosen = settings.load()

    assert not any(PASSWORD in shown for shown in (repr(chosen), str(chosen), str(chosen.model_dump()), chosen.model_dump_json()))
    assert settings.required(chosen.relay_url, "relay_url") == URL


def test_a_missing_url_says_what_to_do() -> None:
    """By the name of the variable."""
    with pytest.raises(Misconfigured, match="set MAILQ_DATABASE_URL, or start a local stack"):
        settings.required(None, "database_url")
    assert settings.required(SecretStr("x"), "database_url") == "x"


def test_a_server_goes_by_its_id_or_else_by_host_and_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two instances on one host are told apart by a port nothing listens on."""
    monkeypatch.setattr("socket.gethostname", lambda: "mail-3")
    assert settings.load().server_name == "mail-3:8851"
    monkeypatch.setenv("MAILQ_SERVER_PORT", "8852")
    assert settings.load().server_name == "mail-3:8852"
    monkeypatch.setenv("MAILQ_SERVER_ID", "east-1")
    assert settings.load().server_name == "east-1"


def test_settings_are_one_frozen_value() -> None:
    """What was read at the start holds to the end, in every process."""
    chosen = settings.load()

    with pytest.raises(ValidationError, match="frozen"):
        chosen.log = "json"
    with pytest.raises(ValidationError, match="frozen"):
        chosen.relay.sessions = 5


def test_every_setting_says_what_it_means() -> None:
    """`docs/settings.md` is made of these words."""
    silent = [name for name, field in _fields(Settings) if not field]

    assert silent == []


def _fields(model: type[BaseModel], prefix: str = "") -> list[tuple[str, str | None]]:
    found: list[tuple[str, str | None]] = []
    for name, field in model.model_fields.items():
        part = field.annotation
        if isinstance(part, type) and issubclass(part, BaseModel):
            found += _fields(part, f"{prefix}{name}.")
        else:
            found.append((prefix + name, field.description))
    return found


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("web1:8851,", "migration_list: an entry is empty"),
        ("web1:99999", "migration_list: entry `web1:99999`: the port must be"),
        (f"{socket.gethostname()}:8851", "this very server"),
        (f"other:1, {socket.gethostname().upper()}:8851", "this very server"),
    ],
)
def test_a_migration_list_at_fault_is_refused_by_its_entry(monkeypatch: pytest.MonkeyPatch, written: str, said: str) -> None:
    """Before the server starts, not when another one has died."""
    monkeypatch.setenv("MAILQ_MIGRATION_LIST", written)

    with pytest.raises(Misconfigured, match=said):
        settings.load()


def test_a_server_that_names_its_own_id_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """By whatever name it goes."""
    monkeypatch.setenv("MAILQ_SERVER_ID", "north")
    monkeypatch.setenv("MAILQ_MIGRATION_LIST", "south,north")

    with pytest.raises(Misconfigured, match="entry `north` is this very server"):
        settings.load()


def test_a_list_of_others_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other ports of this host, and the whole of it."""
    monkeypatch.setenv("MAILQ_MIGRATION_LIST", f"{socket.gethostname()}:8852, {socket.gethostname()}:*, 10.0.0.7:*, north")

    assert settings.load().migration_list.count(",") == 3


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("bounces", "must be a plain address such as bounces@example.com"),
        ("bounces+x@example.com", "without a `+`"),
        (f"{'b' * 30}@example.com", "may have 29 characters before the @"),
    ],
)
def test_a_bounce_address_at_fault_is_refused(monkeypatch: pytest.MonkeyPatch, written: str, said: str) -> None:
    monkeypatch.setenv("MAILQ_BOUNCE_ADDRESS", written)
    with pytest.raises(Misconfigured) as told:
        settings.load()
    assert "bounce_address: " in str(told.value)
    assert said in str(told.value)


def test_a_relay_log_is_of_no_use_without_a_bounce_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILQ_DOUBT__POSTFIX_LOG", "/var/log/mail.log")
    with pytest.raises(Misconfigured, match=r"doubt\.postfix_log needs bounce_address"):
        settings.load()
    monkeypatch.setenv("MAILQ_BOUNCE_ADDRESS", "bounces@example.com")
    assert settings.load().doubt.postfix_log == Path("/var/log/mail.log")


@pytest.mark.parametrize("name", ["", " mailq", "x" * 64, "ä" * 32, "pg_catalog", "information_schema", "a\nb"])
def test_a_schema_is_called_as_postgresql_can_call_it(name: str) -> None:
    """A name that would be cut, or that PostgreSQL keeps for itself, is refused before anything is made in it."""
    with pytest.raises(Misconfigured, match="database_schema"):
        settings.load(database_schema=name)
    assert settings.load(database_schema='mail "q" room').database_schema == 'mail "q" room'


@pytest.mark.parametrize(
    ("name", "written", "said"),
    [
        ("RESPONSE_SENDER", "calls", "is no sendable address"),
        ("RESPONSE_SENDER", "Shop <calls@>", "is no sendable address"),
        ("RESPONSE_SENDER", "jörg@example.org", "ASCII before the @"),
        ("WEBHOOK_NETWORKS", "office", "does not appear to be an IPv4 or IPv6 network"),
        ("WEBHOOK_NETWORKS", "10.0.0.1/8", "has host bits set"),
        ("WEBHOOK_TIMEOUT", "0", "greater than 0"),
    ],
)
def test_a_setting_of_answers_at_fault_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, written: str, said: str) -> None:
    monkeypatch.setenv(f"MAILQ_CALLS__{name}", written)
    with pytest.raises(Misconfigured) as told:
        settings.load()
    assert f"calls.{name.lower()}: " in str(told.value)
    assert said in str(told.value)


def test_who_answers_are_from_and_where_they_may_go_decides_what_calls_may_ask_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert bootstrap.call_policy(settings.load()) == Policy(emails=False, networks=())
    monkeypatch.setenv("MAILQ_CALLS__RESPONSE_SENDER", "Shop <calls@example.org>")
    monkeypatch.setenv("MAILQ_CALLS__WEBHOOK_NETWORKS", "10.1.0.0/16, fd00::/8")
    assert bootstrap.call_policy(settings.load()) == Policy(emails=True, networks=networks("10.1.0.0/16,fd00::/8"))
