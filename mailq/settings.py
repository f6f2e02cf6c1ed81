"""Settings: one frozen value, read once by whoever starts the process.

Sources, strongest first: `MAILQ_*` in the environment (`MAILQ_RELAY__SESSIONS=20`), files in `/run/secrets`, `mailq.toml` in
the working directory, and `stack.toml` that a running local stack leaves in `MAILQ_HOME`.
"""

import os
import re
import socket
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from mailq.core.mailing import DoubtPolicy
from mailq.core.migration_list import Itself, Malformed, MigrationList
from mailq.core.networks import networks
from mailq.core.verp import require_bounce_address
from mailq.errors import BadInput, Misconfigured

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

STACK_FILE = "stack.toml"
SECRETS = Path("/run/secrets")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def _duration(value: object) -> object:
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)\s*(ms|s|m|h|d)?", value) if isinstance(value, str) else None
    return timedelta(seconds=float(found[1]) * _UNITS[found[2] or "s"]) if found else value


Duration = Annotated[timedelta, BeforeValidator(_duration), Field(ge=timedelta(0), le=timedelta(days=366))]
"""A time span: `90s`, `5m`, `72h`, `3d`, ISO 8601, or a bare number of seconds; not negative, at most a year."""


def _require_schema(name: str) -> str:
    if not (name.strip() == name and name.isprintable() and 0 < len(name.encode()) <= 63):
        raise ValueError("a schema is called by 1 to 63 bytes of printable characters")
    if name.startswith("pg_") or name == "information_schema":
        raise ValueError(f"the schema {name} is PostgreSQL's own")
    return name


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class RelaySettings(_Part):
    """How one worker process talks to its relay."""

    sessions: int = Field(20, ge=1, le=500, description="SMTP sessions a worker process keeps warm; the window is twice this")
    messages_per_session: int = Field(1000, ge=1, description="messages sent before a session is opened anew")
    connect_timeout: Duration = Field(timedelta(seconds=30), description="for the connection, and again for the TLS handshake")
    command_timeout: Duration = Field(
        timedelta(seconds=300), description="for each whole reply but those below (RFC 5321 4.5.3.2, as all of these)"
    )
    data_timeout: Duration = Field(timedelta(seconds=120), description="for the reply to DATA")
    block_timeout: Duration = Field(timedelta(seconds=180), description="for each 128 KB of a large message to leave")
    dot_timeout: Duration = Field(
        timedelta(seconds=600), description="for the reply to the final dot; past it the message is in doubt"
    )
    idle_limit: Duration = Field(timedelta(seconds=60), description="an unused session is ended after this")
    dsn: bool = Field(True, description="ask a relay that offers DSN (RFC 3461) for notices of failure, without the content")
    rest: Duration = Field(timedelta(seconds=15), description="first rest of a relay that is at fault; doubles up to max_rest")
    max_rest: Duration = Field(timedelta(minutes=5), description="longest rest of a relay that stays at fault")


class BatchSettings(_Part):
    """How a mailing is cut, and how long one claim works."""

    size: int = Field(1000, ge=1, le=10_000, description="deliveries of a batch")
    work_for: Duration = Field(timedelta(minutes=5), description="a batch is handed back after this much work")


class RetrySettings(_Part):
    """The waits of a deferred delivery; see `mailq.core.retry.RetryPolicy`."""

    first: Duration = Field(timedelta(minutes=5), description="wait after the first attempt")
    factor: float = Field(2.0, ge=1.0, le=10.0, description="each wait is this many times the one before, give or take a fifth")
    longest: Duration = Field(timedelta(hours=4), description="no wait grows past this")
    max_attempts: int = Field(24, ge=1, description="a recipient is an error after so many; faults of the relay do not count")
    max_age: Duration = Field(
        timedelta(hours=72),
        description="a recipient is an error when its next attempt would come later than this after the mailing began",
    )


class LeaseSettings(_Part):
    """How long a server may be silent before its batches go to another."""

    ttl: Duration = Field(timedelta(seconds=20), description="how long a renewal holds, by the database's clock")
    heartbeat: Duration = Field(timedelta(seconds=5), gt=timedelta(0), description="how often a server's warden renews it")
    margin: Duration = Field(timedelta(seconds=2), description="how much earlier than the database a server takes it for run out")

    @model_validator(mode="after")
    def two_heartbeats_fit_in_a_lease(self) -> Self:
        """One lost heartbeat costs a healthy server nothing."""
        if self.heartbeat * 2 + self.margin >= self.ttl:
            raise ValueError("lease.ttl must be longer than two lease.heartbeat and lease.margin")
        return self


class DoubtSettings(_Part):
    """What becomes of deliveries in doubt."""

    policy: DoubtPolicy = Field(DoubtPolicy.HOLD, description="of new mailings that name none: hold, resend or assume_sent")
    postfix_log: Path | None = Field(None, description="log of our Postfix on this host: what it has queued was sent")


class UpkeepSettings(_Part):
    """The recurring work of the leading warden."""

    every: Duration = Field(timedelta(seconds=2), gt=timedelta(0), description="one tick")
    ring_again_after: Duration = Field(timedelta(seconds=15), description="a batch rung and still ready is rung again after this")


class RetentionSettings(_Part):
    """How long mailings are kept once they have ended."""

    months: int | None = Field(
        None,
        ge=1,
        le=1200,
        description="whole months of mailings that are kept beside the present one; older ones are deleted by the upkeep, recipients, "
        "replies and all, unless something in them is unfinished or in doubt; default all are kept",
    )


class ApiSettings(_Part):
    """The HTTP API, `mailqctl api`."""

    host: str = Field("127.0.0.1", min_length=1, description="address it listens on; behind a proxy that speaks TLS, leave it")
    port: int = Field(8880, ge=0, le=65535, description="port it listens on; 0 takes a free one")
    workers: int = Field(1, ge=1, le=64, description="processes that answer")
    rate_per_s: int = Field(1000, ge=1, le=1_000_000, description="requests a second of a key that has no rate of its own")
    max_body: int = Field(2_000_000, ge=1000, description="bytes of a JSON body")
    max_upload: int = Field(1_000_000_000, ge=1000, description="bytes of an upload of recipients, unpacked")
    body_timeout: Duration = Field(
        timedelta(seconds=30), gt=timedelta(0), description="for a body to arrive, and a second more for each 16 KB of it"
    )
    stop_grace: Duration = Field(timedelta(seconds=25), description="how long a stopping API waits for answers under way")


class CallSettings(_Part):
    """Calls and conversations, and the answers they ask for."""

    part_gap: Duration = Field(
        timedelta(minutes=5), gt=timedelta(0), description="a conversation is in error if its next part has not come after this"
    )
    skew: Duration = Field(
        timedelta(seconds=60),
        description="a scheduled time that is past by no more is now: clocks differ; one further back is refused",
    )
    keep: Duration = Field(
        timedelta(days=90), gt=timedelta(0), description="calls, results and answers are deleted so long after the call's end"
    )
    response_sender: str | None = Field(
        None,
        description="From header of answers by e-mail, `Shop <calls@example.org>`; calls that want one are refused without it",
    )
    webhook_timeout: Duration = Field(
        timedelta(seconds=15),
        gt=timedelta(0),
        description="for one attempt at a webhook, from the look-up of its name to the end",
    )
    webhook_networks: str = Field(
        "", description="networks that webhooks may go to though they are private: `10.1.0.0/16,fd00::/8`; separated by commas"
    )

    @field_validator("response_sender")
    @classmethod
    def response_sender_can_send(cls, text: str | None) -> str | None:
        """A mistake in it is told before a call has asked for an e-mail, and not when it has run."""
        if text is None:
            return None
        from mailq.core.message import parse_mailbox  # noqa: PLC0415 - the templates come with it

        try:
            sender = parse_mailbox("response_sender", text)
        except BadInput as error:
            raise ValueError(f"{error}; write it as `Shop <calls@example.org>`") from None
        if sender.address.international:
            raise ValueError("must be ASCII before the @")
        return text

    @field_validator("webhook_networks")
    @classmethod
    def webhook_networks_can_be_read(cls, text: str) -> str:
        """A mistake in it is told before the first webhook."""
        networks(text)
        return text


class Settings(BaseSettings):
    """Everything a mailq process is told from outside. Unknown keys of a file are refused; `doctor` names unknown variables."""

    model_config = SettingsConfigDict(
        env_prefix="MAILQ_", env_nested_delimiter="__", frozen=True, extra="forbid", hide_input_in_errors=True
    )

    home: Path = Field(Path("var"), description="where the local stack, lock files and journals live")
    database_url: SecretStr | None = Field(None, description="PostgreSQL, `postgresql://user:password@host/database`")
    database_schema: Annotated[str, AfterValidator(_require_schema)] | None = Field(
        None,
        description="schema of that database that holds the tables and nothing else; default what the user's search path names",
    )
    redis_url: SecretStr | None = Field(None, description="Redis or Valkey, `redis://host:6379/0`; `noeviction` is required")
    relay_url: SecretStr | None = Field(None, description="the SMTP host that takes our mail, `smtp://host:25`")
    outbox_url: SecretStr | None = Field(
        None, description="database of a producer's outbox, for `mailqctl outbox`: `mysql+pymysql://user:password@host/database`"
    )
    outbox_key: SecretStr | None = Field(
        None, description="API key with which `mailqctl outbox relay --to` and `mailqctl call drain` hand over"
    )
    server_id: str | None = Field(
        None, description="unique and stable id of this worker instance; default `<hostname>:<server_port>`"
    )
    server_port: int = Field(8851, ge=1, le=65535, description="tells two instances on one host apart; nothing listens on it")
    stop_grace: Duration = Field(timedelta(seconds=30), description="how long a stopping worker waits for replies")
    failover_after: Duration | Literal["never"] = Field(
        timedelta(seconds=30),
        description="batches of a server that is silent for so long go to others; `never` leaves it to lists",
    )
    migration_list: str = Field(
        "", description="servers whose batches this one takes over: `web1:8851,10.0.0.7:*`, or their ids; separated by commas"
    )
    bounce_address: Annotated[str, AfterValidator(require_bounce_address)] | None = Field(
        None, description="envelope sender of all mail, made unique by `+` and the delivery; default the sender's own, as it is"
    )
    message_id_domain: str | None = Field(None, description="right side of Message-ID; default the domain of the sender")
    log: Literal["console", "json"] = Field("console", description="form of the log lines: for people, or one JSON object each")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="the least that is logged")
    relay: RelaySettings = RelaySettings()
    batch: BatchSettings = BatchSettings()
    retry: RetrySettings = RetrySettings()
    lease: LeaseSettings = LeaseSettings()
    doubt: DoubtSettings = DoubtSettings()
    upkeep: UpkeepSettings = UpkeepSettings()
    retention: RetentionSettings = RetentionSettings()
    api: ApiSettings = ApiSettings()
    calls: CallSettings = CallSettings()

    @model_validator(mode="after")
    def failover_comes_after_the_lease(self) -> Self:
        """A server is not robbed while its lease may still run."""
        if self.failover_after != "never" and self.failover_after <= self.lease.ttl:
            raise ValueError("failover_after must be longer than lease.ttl, or `never`")
        return self

    @field_validator("migration_list")
    @classmethod
    def migration_list_can_be_read(cls, text: str) -> str:
        """A mistake in it is told before the server starts, and not when another one has died."""
        MigrationList.parse(text)
        return text

    @model_validator(mode="after")
    def migration_list_names_others(self) -> Self:
        """A server that lists itself was meant to list another one."""
        try:
            MigrationList.parse(self.migration_list).require_others(self.itself(socket.gethostname()))
        except Malformed as error:
            raise ValueError(f"migration_list: {error}") from None
        return self

    def itself(self, host: str, addresses: tuple[str, ...] = ()) -> Itself:
        """This server as a migration list may mean it."""
        return Itself(self.server_name, host, None if self.server_id else self.server_port, addresses)

    @model_validator(mode="after")
    def a_log_is_read_by_envelope_senders(self) -> Self:
        """Without a sender of its own for every delivery a line of the relay's log is about nobody."""
        if self.doubt.postfix_log is not None and self.bounce_address is None:
            raise ValueError("doubt.postfix_log needs bounce_address: by its envelope sender a delivery is found in the log")
        return self

    @property
    def server_name(self) -> str:
        """The id this worker instance goes by."""
        return self.server_id or f"{socket.gethostname()}:{self.server_port}"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Files come after the environment; see the module's docstring."""
        home = Path(os.environ.get("MAILQ_HOME", "var"))
        files = (TomlConfigSettingsSource(settings_cls, path) for path in (Path("mailq.toml"), home / STACK_FILE))
        return (init_settings, env_settings, file_secret_settings, *files)


def load(**overrides: object) -> Settings:
    """Read the settings.

    Raises:
        Misconfigured: with one line per setting that is at fault, never showing its value.
    """
    try:
        return Settings(_secrets_dir=SECRETS if SECRETS.is_dir() else None, **overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        raise Misconfigured("these settings are at fault:\n" + "\n".join(map(_fault_line, error.errors()))) from None
    except (ValueError, OSError) as error:
        raise Misconfigured(f"the settings cannot be read: {error}") from None


def _fault_line(fault: "ErrorDetails") -> str:
    place = ".".join(str(part) for part in fault["loc"])
    said = fault["msg"].removeprefix("Value error, ")
    return f"  {place}: {said}" if place else f"  {said}"


def required(secret: SecretStr | None, name: str) -> str:
    """The value of a URL that somebody must have set.

    Raises:
        Misconfigured: nobody did.
    """
    if secret is None:
        known_by_stack = "" if name == "outbox_key" else ", or start a local stack with `mailqctl up`"
        raise Misconfigured(f"no {name}: set MAILQ_{name.upper()}{known_by_stack}")
    return secret.get_secret_value()
