"""Wiring: settings in, working parts out. The one place that knows which class plays which part."""

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mailq import __version__
from mailq.broker.doorbell import CeleryDoorbell
from mailq.broker.marks import RedisMarks
from mailq.clock import Clock
from mailq.core.batch import Owner
from mailq.core.migration_list import MigrationList
from mailq.core.networks import networks
from mailq.core.restart import Known
from mailq.core.retry import RetryPolicy
from mailq.engine.custody import Custody
from mailq.engine.dispatcher import Dispatcher, RingPolicy
from mailq.engine.executor import Executor, Memory, Progress, WorkPolicy
from mailq.engine.guard import Guard
from mailq.engine.letters import LetterPress
from mailq.engine.mover import Mover
from mailq.engine.ports import Resolver, Wire
from mailq.engine.relay_evidence import Evidence
from mailq.engine.rest import RelayRest
from mailq.engine.restarter import Restarter
from mailq.engine.stopping import Stopping
from mailq.engine.takeover import Takeover, TakeoverPolicy
from mailq.engine.testimony import Testimony
from mailq.engine.upkeep import Upkeep
from mailq.engine.watch import BEYOND_THE_LONGEST_WAIT, Watch, WatchPolicy
from mailq.errors import Misconfigured
from mailq.settings import Settings, required
from mailq.store import installation, prepared
from mailq.store.database import Database, KeptConnection, Transactions
from mailq.transports.journal import JournalFile, boot_id
from mailq.transports.journals import FileJournals
from mailq.transports.marks_file import FileMarks
from mailq.transports.server_lock import lock_path, proves_dead

if TYPE_CHECKING:
    from mailq.client.carrier import Carrier, Moved, Told
    from mailq.client.doors import Door
    from mailq.engine.calls.addresses import Policy
    from mailq.engine.calls.kind import Means
    from mailq.engine.calls.responses import Respond
    from mailq.engine.calls.running import Runner
    from mailq.engine.calls.terms import Terms
    from mailq.engine.notifier import Notifier
    from mailq.store.outbox_database import OutboxDatabase
    from mailq.transports.webhooks import Poster


def database(settings: Settings, *, application: str = "mailq") -> Database:
    """The ledger's database.

    Raises:
        Misconfigured: no database is set and no local stack runs.
    """
    return Database(required(settings.database_url, "database_url"), application=application, schema=settings.database_schema)


def server_database(settings: Settings, *, application: str) -> Database:
    """The ledger's database for a process of a worker server.

    When it stands still in the middle of a transaction, its rows are free by the time its lease has run out: whoever takes over
    skips those that are locked.

    Raises:
        Misconfigured: no database is set and no local stack runs.
    """
    url, ttl = required(settings.database_url, "database_url"), settings.lease.ttl
    return Database(
        url, application=application, idle_timeout_ms=round(ttl.total_seconds() * 1000), schema=settings.database_schema
    )


def outbox_door(settings: Settings, to: str | None, *, organization: str) -> "Door":
    """The door that an outbox is carried to: an HTTP API, or our own database.

    Raises:
        Misconfigured: the address, the key or the database is missing, or is none.
    """
    from mailq.client import opening

    if to is None:
        url = required(settings.database_url, "database_url")
        return opening.door(url, organization=organization, schema=settings.database_schema, key=None)
    if not to.startswith(("http://", "https://")):
        raise Misconfigured("--to names an HTTP API, https://…; our own database is named by MAILQ_DATABASE_URL")
    return opening.door(to, organization=organization, schema=None, key=required(settings.outbox_key, "outbox_key"))


def carrier(outbox: "OutboxDatabase", door: "Door", *, told: "Told", moved: "Moved | None" = None) -> "Carrier":
    """What carries an outbox to a door; `told` hears of what is refused, `moved` of whatever is settled."""
    from mailq.client.carrier import Carrier

    return Carrier(outbox, door, now=Clock().now, told=told, moved=moved or (lambda _: None))


def kept_connection(database: Database) -> KeptConnection:
    """The connection that a worker process keeps for its batches and whatever it asks between them. Used by one thread at a time."""
    return KeptConnection(database, session=prepared.SESSION, rested_s=1.0)


def retry_policy(settings: Settings) -> RetryPolicy:
    """The waits of deferred deliveries."""
    chosen = settings.retry
    return RetryPolicy(
        first=chosen.first,
        factor=chosen.factor,
        longest=chosen.longest,
        max_attempts=chosen.max_attempts,
        max_age=chosen.max_age,
    )


def dispatcher(settings: Settings, database: Transactions) -> Dispatcher:
    """What rings for batches.

    Raises:
        Misconfigured: no broker is set and no local stack runs.
    """
    doorbell = CeleryDoorbell(required(settings.redis_url, "redis_url"))
    return Dispatcher(database, doorbell, RingPolicy(ring_again_after=settings.upkeep.ring_again_after))


def upkeep(settings: Settings, database: Database) -> Upkeep:
    """The leading warden's work, for one thread."""
    kept = KeptConnection(database)
    keep = settings.retention.months
    rings = dispatcher(settings, kept)
    return Upkeep(kept, rings, doubts_wait=settings.lease.ttl, keep_months=keep, part_gap=settings.calls.part_gap)


def mover(settings: Settings, database: Database) -> Mover:
    """What the leading warden does when a producer's commit wakes it, for one thread."""
    kept = KeptConnection(database)
    return Mover(kept, dispatcher(settings, kept))


def call_terms(settings: Settings) -> "Terms":
    """What holds for all calls."""
    from mailq.engine.calls.terms import Terms

    chosen = settings.calls
    return Terms(part_gap=chosen.part_gap, skew=chosen.skew, keep=chosen.keep, respond=respond(settings))


def call_means(settings: Settings) -> "Callable[[int], Means]":
    """With what the calls of an organization are run."""
    from mailq.engine.calls.kind import Means

    return lambda organization_id: Means(organization_id, settings.batch.size, settings.doubt.policy)


def call_policy(settings: Settings) -> "Policy":
    """What answers calls may ask for."""
    from mailq.engine.calls.addresses import Policy

    chosen = settings.calls
    return Policy(emails=chosen.response_sender is not None, networks=networks(chosen.webhook_networks))


def respond(settings: Settings) -> "Respond":
    """What makes the answers of calls."""
    from mailq.engine.calls.answering import Answering

    return Answering(settings.calls.response_sender)


def runner(settings: Settings, database: Transactions) -> "Runner":
    """What runs calls, for one thread."""
    from mailq.engine.calls.running import Runner

    return Runner(database, call_means(settings), respond(settings), terms=call_terms(settings))


def notifier(settings: Settings, database: Transactions) -> "Notifier":
    """What sends the answers that are posted, for a thread of its own."""
    from mailq.engine.notifier import Notifier

    def poster() -> "Poster":
        from mailq.transports.webhooks import Poster

        chosen = settings.calls
        return Poster(timeout=chosen.webhook_timeout, agent=f"mailq/{__version__}", allowed=networks(chosen.webhook_networks))

    return Notifier(database, poster, timeout=settings.calls.webhook_timeout)


def evidence(settings: Settings, database: Database, relay: Resolver) -> Evidence:
    """What asks a relay about deliveries in doubt, such as the log of a Postfix.

    Raises:
        Misconfigured: mail is sent without a bounce address, so that nobody knows a delivery by its sender.
    """
    if settings.bounce_address is None:
        raise Misconfigured(
            "no bounce_address: set MAILQ_BOUNCE_ADDRESS, as it was when the mails in doubt were sent; by the envelope sender "
            "that is made of it a delivery is found in the log"
        )
    return Evidence(database, relay, settings.bounce_address, every=settings.lease.ttl / 2)


def takeover(settings: Settings, database: Database, *, server_id: int, restarter: Restarter, dispatcher: Dispatcher) -> Takeover:
    """What takes over other servers for this one."""
    after = settings.failover_after
    policy = TakeoverPolicy(
        server_id=server_id,
        listed=MigrationList.parse(settings.migration_list),
        failover_after=None if after == "never" else after,
        dead=proven_dead,
    )
    return Takeover(database, restarter, dispatcher, policy)


def watch(
    settings: Settings,
    database: Database,
    *,
    server_id: int,
    restarter: Restarter,
    dispatcher: Dispatcher,
    kill: Callable[[int], bool],
) -> Watch:
    """What looks after the worker processes of a server; `kill` ends one by its pid."""
    relay = settings.relay
    policy = WatchPolicy(
        server_id=server_id,
        patience=max(relay.connect_timeout, relay.command_timeout, relay.data_timeout, relay.dot_timeout)
        + BEYOND_THE_LONGEST_WAIT,
        boottime_s=Clock().monotonic,
        kill=kill,
    )
    return Watch(database, restarter, dispatcher, journals(settings, database), policy)


def proven_dead(server: Known) -> bool:
    """Whether a server of this host is dead for certain, by its lock file; of others it proves nothing."""
    if not (server.lock and server.home and server.boot_id == boot_id()):
        return False
    return proves_dead(lock_path(Path(server.home), server.name), server.lock)


def journal_directory(settings: Settings) -> Path:
    """Where the servers of this home keep their journals, and their marks beside them."""
    return settings.home.absolute() / "journal"


def journals(settings: Settings, database: Database) -> FileJournals:
    """The journals of worker processes on this host."""
    return FileJournals(settings.home, lambda: _life(database))


def restarter(settings: Settings, database: Database, *, looking: Transactions | None = None) -> Restarter:
    """What reclaims the batches of processes that are gone, and hears what their journals tell."""
    found = journals(settings, database)
    return Restarter(database, found, retry_policy(settings), testimony=Testimony(database), leftovers=found, looking=looking)


def guard(settings: Settings, database: Transactions) -> Guard:
    """What notices that the database has forgotten.

    Raises:
        Misconfigured: no broker is set and no local stack runs.
    """
    in_redis = RedisMarks(required(settings.redis_url, "redis_url"))
    return Guard(database, [in_redis, FileMarks(journal_directory(settings))], in_redis)


def smtp_wire(settings: Settings) -> Wire:
    """The sessions of this process to its relay.

    Raises:
        Misconfigured: no relay is set, or its URL is none.
    """
    from mailq.transports.smtp import SmtpOptions, SmtpWire

    chosen = settings.relay
    options = SmtpOptions.from_url(
        required(settings.relay_url, "relay_url"),
        sessions=chosen.sessions,
        messages_per_session=chosen.messages_per_session,
        connect_timeout=chosen.connect_timeout,
        command_timeout=chosen.command_timeout,
        data_timeout=chosen.data_timeout,
        block_timeout=chosen.block_timeout,
        dot_timeout=chosen.dot_timeout,
        idle_limit=chosen.idle_limit,
        dsn=chosen.dsn,
    )
    return SmtpWire(options)


def executor(
    settings: Settings,
    database: Database,
    *,
    books: KeptConnection | None = None,
    owner: Callable[[], Owner],
    stopping: Callable[[], bool],
    dispatcher: Dispatcher,
    may_send: Callable[[int], bool] = lambda _: True,
    memory: Memory | None = None,
    wire: Wire | None = None,
    progress: Progress = lambda _: None,
) -> Executor:
    """A worker process's hands. Made in the process that will use them: nothing of it survives a fork.

    Args:
        books: the connection that the process keeps; None makes one.
        owner: whom to claim as, now.
        may_send: whether the lease of an incarnation holds.
        memory: what notices that the database has forgotten.
    """
    clock = Clock()
    kept = books or kept_connection(database)
    with database.begin() as tx:
        secret = installation.secret(tx)
    dice = random.Random()
    custody = Custody(
        restarter(settings, database, looking=kept),
        Testimony(database),
        lambda incarnation: _new_journal(settings, database, incarnation),
    )
    return Executor(
        kept,
        wire or smtp_wire(settings),
        LetterPress(secret, domain=settings.message_id_domain, clock=clock.monotonic, bounce_address=settings.bounce_address),
        dispatcher,
        RelayRest(first=settings.relay.rest, longest=settings.relay.max_rest, clock=clock),
        custody=custody,
        policy=WorkPolicy(
            retry=retry_policy(settings),
            work_for=settings.batch.work_for,
            stopping=Stopping(stopping, grace=settings.stop_grace, clock=clock),
            jitter=lambda: dice.uniform(-1, 1),
            clock=clock,
            owner=owner,
            may_send=may_send,
        ),
        memory=memory or Memory(),
        loop_factory=loop_factory(),
        progress=progress,
    )


def _new_journal(settings: Settings, database: Database, incarnation: int) -> JournalFile:
    return JournalFile.create(journal_directory(settings), database=_life(database), incarnation=incarnation)


def _life(database: Database) -> str:
    """The name of this life of the books, asked for each time: an accepted restore begins a new one."""
    with database.begin() as tx:
        return installation.uuid(tx)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed: the sessions cost a third with it."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
