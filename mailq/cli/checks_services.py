"""What a doctor asks of the services: PostgreSQL, Redis, the relay, and the servers that are alive."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from mailq.cli.findings import Finding, fail, ok, warn
from mailq.clock import utc_now
from mailq.errors import MailqError, Misconfigured
from mailq.settings import Settings, required

if TYPE_CHECKING:
    from mailq.store.database import Database

_SKEW_S = 2.0
_FEW_CONNECTIONS = 20
_RELAY_TIMEOUT = timedelta(seconds=5)


def of_database(chosen: Settings) -> Iterator[Finding]:
    """The server, its clock, its room for connections, the schema, and who works on it."""
    from mailq import bootstrap
    from mailq.cli import checks_postgres, checks_servers
    from mailq.store import health, revision

    database = bootstrap.database(chosen, application="mailqctl doctor")
    try:
        found = health.of_server(database)
        yield ok("database", f"PostgreSQL {found.version} at {database.address}")
        yield from _clock((utc_now() - found.now).total_seconds())
        yield from _connections(found.max_connections, found.num_connections)
        yield from checks_postgres.of_tuning(health.tuning(database))
        try:
            revision.require_up_to_date(database)
        except Misconfigured as error:
            yield fail("schema", str(error), "mailqctl db upgrade")
            return
        yield ok("schema", "fits this version; `mailqctl db check` compares every table")
        if chosen.redis_url is not None:
            yield from _memory(chosen, database)
        yield from _maintenance(database)
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
    from mailq.transports.smtp import NoSession, SmtpOptions, offered

    given = SmtpOptions.from_url(required(chosen.relay_url, "relay_url"))
    options = replace(given, username=None, connect_timeout=_RELAY_TIMEOUT, command_timeout=_RELAY_TIMEOUT)
    try:
        found = asyncio.run(offered(options))
    except NoSession as error:
        yield fail("relay", f"{options.relay} does not greet us: {error}", "start it, or correct MAILQ_RELAY_URL")
        return
    yield ok("relay", f"{options.relay} greets us")
    known = {"PIPELINING": found.pipelining, "8BITMIME": found.eight_bit, "SMTPUTF8": found.smtputf8}
    missing = [name for name, has in known.items() if not has]
    if missing:
        yield warn("relay", f"it does not offer {', '.join(missing)}", "mail still goes; slower, or not to every address")


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


def _maintenance(database: "Database") -> Iterator[Finding]:
    from mailq.admin import maintenance

    found = maintenance.status(database)
    if found is not None:
        yield warn("servers", f"nothing is sent in {found}", "mailqctl maintenance off")


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
