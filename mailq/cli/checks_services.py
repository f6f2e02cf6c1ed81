"""What a doctor asks of the services: PostgreSQL, Redis, the relay, and the servers that are alive."""

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from mailq.cli.findings import Finding, fail, ok, warn
from mailq.clock import utc_now
from mailq.errors import MailqError, Misconfigured
from mailq.settings import Settings, required

if TYPE_CHECKING:
    from mailq.store.database import Database
    from mailq.transports.smtp import SmtpOptions

_SKEW_S = 2.0
_FEW_CONNECTIONS = 20
_RELAY_TIMEOUT_S = 5.0


def of_database(chosen: Settings) -> Iterator[Finding]:
    """The server, its clock, its room for connections, the schema, and who works on it."""
    from mailq import bootstrap
    from mailq.cli import checks_servers
    from mailq.store import health, revision

    database = bootstrap.database(chosen, application="mailqctl doctor")
    try:
        found = health.of_server(database)
        yield ok("database", f"PostgreSQL {found.version} at {database.address}")
        yield from _clock((utc_now() - found.now).total_seconds())
        yield from _connections(found.max_connections, found.num_connections)
        if found.synchronous_commit == "off":
            text = "synchronous_commit is off: after a crash the database forgets what was mailed"
            yield fail("database", text, "ALTER SYSTEM SET synchronous_commit = on")
        try:
            revision.require_up_to_date(database)
        except Misconfigured as error:
            yield fail("schema", str(error), "mailqctl db upgrade")
            return
        yield ok("schema", "fits this version; `mailqctl db check` compares every table")
        if chosen.redis_url is not None:
            yield from _memory(chosen, database)
        yield from _lanes(database)
        yield from checks_servers.of_migration_list(chosen, database)
    finally:
        database.close()


def of_broker(chosen: Settings) -> Iterator[Finding]:
    """Redis, whether it drops keys, and whether it keeps them."""
    from mailq.broker import doorbell, health

    url = required(chosen.redis_url, "redis_url")
    found = health.of_broker(url)
    queued = sum(found.queued.values())
    yield ok("broker", f"Redis {found.version} at {doorbell.address(url)}, {queued} rings wait")
    if found.policy != "noeviction":
        yield fail("broker", f"maxmemory-policy is {found.policy}: rings vanish", "CONFIG SET maxmemory-policy noeviction")
    if not found.persistent:
        yield warn("broker", "it keeps nothing over a restart; rings are rung again, Flower forgets", "CONFIG SET appendonly yes")


def of_relay(chosen: Settings) -> Iterator[Finding]:
    """Whether the relay greets us, and what it offers. Nothing is sent, nobody logs in."""
    from mailq.transports.smtp import SmtpOptions

    options = SmtpOptions.from_url(required(chosen.relay_url, "relay_url"))
    try:
        with _session(options) as session:
            session.ehlo_or_helo_if_needed()
            yield ok("relay", f"{options.relay} greets us")
            missing = [name for name in ("pipelining", "8bitmime", "smtputf8") if not session.has_extn(name)]
    except (OSError, smtplib.SMTPException) as error:
        yield fail("relay", f"{options.relay} does not greet us: {error}", "start it, or correct MAILQ_RELAY_URL")
        return
    if missing:
        yield warn("relay", f"it does not offer {', '.join(missing).upper()}", "mail still goes; slower, or not to every address")


def _session(options: "SmtpOptions") -> smtplib.SMTP:
    context = options.tls_context if options.security != "none" else ssl.create_default_context()
    if options.security == "tls":
        return smtplib.SMTP_SSL(options.host, options.port, timeout=_RELAY_TIMEOUT_S, context=context)
    session = smtplib.SMTP(options.host, options.port, timeout=_RELAY_TIMEOUT_S)
    if options.security == "starttls":
        try:
            session.starttls(context=context)
        except (OSError, smtplib.SMTPException):
            with suppress(OSError, smtplib.SMTPException):
                session.close()
            raise
    return session


def _clock(skew_s: float) -> Iterator[Finding]:
    if abs(skew_s) > _SKEW_S:
        text = f"this machine is {abs(skew_s):.0f} s {'ahead of' if skew_s > 0 else 'behind'} the database"
        yield warn("clock", text, "run an NTP client; leases go by the database's clock, retries and logs look odd")
    else:
        yield ok("clock", f"{abs(skew_s) * 1000:.0f} ms from the database's")


def _connections(most: int, used: int) -> Iterator[Finding]:
    text = f"{used} of {most} connections are used"
    if most - used < _FEW_CONNECTIONS:
        yield warn("database", text, "raise max_connections: a worker process needs two, a server three more")
    else:
        yield ok("database", text)


def _memory(chosen: Settings, database: "Database") -> Iterator[Finding]:
    from mailq import bootstrap

    fix = "mailqctl db accept-restore (it shows first what may be mailed twice)"
    guard = bootstrap.guard(chosen, database)
    found = guard.standing()
    if found is not None:
        text = f"it has forgotten what was sent, so nothing is sent since {found.since:%Y-%m-%d %H:%M:%S} UTC: {found.why}"
        yield fail("database", text, fix)
    elif behind := guard.compared():
        yield fail("database", f"it has forgotten what was sent: {'; '.join(map(str, behind))}", fix)


def _lanes(database: "Database") -> Iterator[Finding]:
    from mailq.store import health

    with suppress(MailqError):
        slots = health.slots_by_lane(database)
        unserved = [str(lane) for lane, number in slots.items() if not number]
        if unserved:
            yield warn("servers", f"no server is alive for {', '.join(unserved)}", "mailqctl worker")
        served = [f"{lane} {number}" for lane, number in slots.items() if number]
        if served:
            yield ok("servers", f"worker processes: {', '.join(served)}")
