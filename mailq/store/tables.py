"""The tables, as SQLAlchemy Core knows them. Names are public: people query them. CHECKs come from the core's state machines."""

from collections.abc import Iterable
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

from mailq.core.batch import State as BatchState
from mailq.core.delivery import Skip
from mailq.core.delivery import State as DeliveryState
from mailq.core.mailing import DoubtPolicy, Lane
from mailq.core.mailing import State as MailingState
from mailq.core.outcome import Doubt
from mailq.core.server import State as ServerState
from mailq.core.suppression import Reason

metadata = MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "pk": "%(table_name)s_pkey",
    }
)

Moment = DateTime(timezone=True)


def one_of(column: str, values: Iterable[StrEnum]) -> CheckConstraint:
    """A CHECK that holds a column to the values of a core enum."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def only_when(column: str, state: StrEnum) -> CheckConstraint:
    """A CHECK that a column is filled exactly in one state."""
    return CheckConstraint(f"(state = '{state}') = ({column} IS NOT NULL)", name=f"{column}_when_{state}")


installation = Table(
    "installation",
    metadata,
    Column("only", SmallInteger, CheckConstraint("only = 1", name="one_row"), primary_key=True, server_default=text("1")),
    Column("uuid", UUID(as_uuid=False), nullable=False, server_default=func.gen_random_uuid()),
    Column("secret", Text, nullable=False, comment="keys the Message-IDs; never leaves the database but to workers"),
    Column("doorbell_generation", Text, comment="the generation last seen in Redis: another one means it was flushed"),
    Column("created_at", Moment, nullable=False, server_default=func.now()),
    Column("behind_since", Moment, comment="since when nothing is sent, because this database has forgotten"),
    Column("behind_why", Text, comment="what showed it"),
    Column("maintenance_since", Moment, comment="since when nothing is processed, because an operator said so"),
    Column("maintenance_by", Text, comment="who"),
    Column("maintenance_why", Text),
)

organization = Table(
    "organization",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("public_id", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False, unique=True),
    Column("created_at", Moment, nullable=False, server_default=func.now()),
    Column(
        "webhook_secrets",
        ARRAY(Text),
        nullable=False,
        server_default=text("'{}'"),
        comment="sign its webhooks, each of them: a new one comes before an old one goes",
    ),
)

mailing = Table(
    "mailing",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False, comment="month << 40 | number"),
    Column("public_id", Text, nullable=False, unique=True),
    Column("organization_id", BigInteger, ForeignKey("organization.id"), nullable=False),
    Column("key", Text, comment="the producer's own name for it; the same key and content is the same mailing"),
    Column("name", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("lane", Text, nullable=False),
    Column("doubt_policy", Text, nullable=False),
    Column("content", JSONB, nullable=False),
    Column("content_digest", Text, nullable=False, comment="SHA-256 over content and options"),
    Column("source_digest", Text, nullable=False, comment="SHA-256 of the recipients' file"),
    Column("batch_size", Integer, nullable=False),
    Column(
        "num_loaded",
        Integer,
        nullable=False,
        server_default=text("0"),
        comment="records of the source committed so far",
    ),
    Column("created_at", Moment, nullable=False, server_default=func.now()),
    Column("scheduled_at", Moment),
    Column("started_at", Moment),
    Column("finished_at", Moment),
    Column("expires_at", Moment),
    Column("loaded_at", Moment, comment="since when its recipients are complete, so that the leader may close the load"),
    Column(
        "repeats",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="whether an address may get several of its messages",
    ),
    Column("stream", Text, comment="of a stream: SHA-256 over content and options of its single messages"),
    Column("open_until", Moment, comment="of a stream: the end of its month; not finished before"),
    Column("resent_at", Moment, comment="when an operator sent errors again: the age of retries is counted from then"),
    UniqueConstraint("organization_id", "key"),
    UniqueConstraint("organization_id", "stream", "open_until"),
    one_of("state", MailingState),
    one_of("lane", Lane),
    one_of("doubt_policy", DoubtPolicy),
    CheckConstraint("(stream IS NULL) = (open_until IS NULL)", name="stream"),
    Index("mailing_loaded_idx", "id", postgresql_where=text("state = 'loading' AND loaded_at IS NOT NULL")),
    Index(None, "state", postgresql_where=text("state IN ('scheduled', 'running', 'paused')")),
    Index(None, "scheduled_at", postgresql_where=text("state = 'scheduled'")),
    Index(None, "expires_at", postgresql_where=text("state IN ('scheduled', 'running', 'paused') AND expires_at IS NOT NULL")),
    Index(None, "open_until", postgresql_where=text("state IN ('running', 'paused') AND open_until IS NOT NULL")),
    Index("mailing_standing_idx", "id", postgresql_where=text("state IN ('running', 'paused') AND open_until IS NULL")),
    Index(None, "key", postgresql_where=text("key IS NOT NULL")),
    Index("mailing_public_id_prefix_idx", "public_id", postgresql_ops={"public_id": "text_pattern_ops"}),
)

server = Table(
    "server",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False, unique=True, comment="MAILQ_SERVER_ID, default <hostname>:8851"),
    Column("incarnation", BigInteger, nullable=False, server_default=text("0"), comment="each start takes the next"),
    Column("state", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("version", Text, nullable=False),
    Column("slots", JSONB, nullable=False, server_default=text("'{}'"), comment="worker processes per lane"),
    Column("started_at", Moment, nullable=False, server_default=func.now()),
    Column("renewed_at", Moment, nullable=False, server_default=func.now()),
    Column("stopped_at", Moment),
    Column(
        "lease_until",
        Moment,
        nullable=False,
        server_default=func.now(),
        comment="past it the server may neither claim nor revive",
    ),
    Column(
        "beat",
        BigInteger,
        nullable=False,
        server_default=text("0"),
        comment="counts renewals over all incarnations, and never goes back",
    ),
    Column("port", Integer, comment="MAILQ_SERVER_PORT; nothing listens on it"),
    Column("addresses", ARRAY(Text), nullable=False, server_default=text("'{}'"), comment="of the host, for migration lists"),
    Column("home", Text, comment="where its lock file and journals are, on its host"),
    Column("boot_id", Text, comment="this boot of its host"),
    Column("lock", Text, comment="the nonce of its lock file: whoever gets the lock of that very file knows it is dead"),
    Column(
        "migrate_to",
        BigInteger,
        ForeignKey("server.id"),
        comment="the server that an operator told to take over its batches",
    ),
    one_of("state", ServerState),
)

leader = Table(
    "leader",
    metadata,
    Column("role", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("until", Moment, nullable=False),
)

batch = Table(
    "batch",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("mailing_id", BigInteger, ForeignKey("mailing.id"), nullable=False),
    Column("number", Integer, nullable=False, comment="from 1 within the mailing"),
    Column("first_seq", Integer, nullable=False),
    Column("last_seq", Integer, nullable=False),
    Column("state", Text, nullable=False, server_default=BatchState.READY),
    Column("owner", Text, comment="the worker process that holds it"),
    Column("server_id", BigInteger, ForeignKey("server.id")),
    Column("incarnation", BigInteger),
    Column("fence", Integer, nullable=False, server_default=text("0"), comment="raised by every claim and reclaim"),
    Column("watermark", Integer, nullable=False, comment="the highest seq that has begun in this pass"),
    Column(
        "ledger_no",
        BigInteger,
        nullable=False,
        server_default=text("0"),
        comment="answers a COMMIT whose reply was lost",
    ),
    Column("num_profiles", Integer, nullable=False, server_default=text("0")),
    Column("num_sent", Integer, nullable=False, server_default=text("0")),
    Column("num_errors", Integer, nullable=False, server_default=text("0")),
    Column("num_skipped", Integer, nullable=False, server_default=text("0")),
    Column("num_deferred", Integer, nullable=False, server_default=text("0")),
    Column("num_in_doubt", Integer, nullable=False, server_default=text("0")),
    Column("due_at", Moment),
    Column("rung_at", Moment),
    Column("first_claimed_at", Moment, comment="the Date of its messages, the same on every attempt"),
    Column("pass_started_at", Moment),
    Column("progressed_at", Moment),
    Column("finished_at", Moment),
    Column("ready_at", Moment, nullable=False, server_default=func.now(), comment="when it was made, due or opened again"),
    Column("journal", Text, comment="the nonce of the journal of the process that claimed it last"),
    Column("relay", Text, comment="the relay of the process that claimed it last"),
    UniqueConstraint("mailing_id", "number"),
    one_of("state", BatchState),
    only_when("owner", BatchState.LEASED),
    only_when("server_id", BatchState.LEASED),
    only_when("incarnation", BatchState.LEASED),
    only_when("due_at", BatchState.WAITING),
    CheckConstraint("first_seq <= last_seq", name="span"),
    CheckConstraint("watermark BETWEEN first_seq - 1 AND last_seq", name="watermark"),
    CheckConstraint(
        "num_sent >= 0 AND num_errors >= 0 AND num_skipped >= 0 AND num_deferred >= 0 AND num_in_doubt >= 0",
        name="counts",
    ),
    CheckConstraint("num_profiles >= num_sent + num_errors + num_skipped + num_deferred + num_in_doubt", name="books"),
    Index("batch_ready_idx", "mailing_id", "number", postgresql_where=text("state = 'ready'")),
    Index("batch_undone_idx", "mailing_id", postgresql_where=text("state IN ('ready', 'leased', 'waiting')")),
    Index("batch_rung_idx", "rung_at", postgresql_where=text("state = 'ready' AND rung_at IS NOT NULL")),
    Index("batch_due_idx", "due_at", postgresql_where=text("state = 'waiting'")),
    Index("batch_leased_idx", "server_id", postgresql_where=text("state = 'leased'")),
    Index("batch_in_doubt_idx", "mailing_id", postgresql_where=text("num_in_doubt > 0")),
)

delivery = Table(
    "delivery",
    metadata,
    Column("mailing_id", BigInteger, nullable=False),
    Column("batch_id", BigInteger, nullable=False),
    Column("due_at", Moment),
    Column("settled_at", Moment),
    Column("seq", Integer, nullable=False),
    Column(
        "pass",
        Integer,
        nullable=False,
        server_default=text("0"),
        comment="the batch's fence at the last settle or reopening",
    ),
    Column("attempts", SmallInteger, nullable=False, server_default=text("0")),
    Column("state", Text, nullable=False, server_default=DeliveryState.PENDING),
    # Bytes compare faster than letters.
    Column("address", Text(collation="C"), nullable=False),
    Column("variables", JSONB, nullable=False, server_default=text("'{}'")),
    Column("relay", Text),
    Column("reply", Text, comment="the relay's last reply, or why the recipient was skipped or failed"),
    Column("skip", Text),
    Column("doubt", Text),
    PrimaryKeyConstraint("mailing_id", "seq"),
    one_of("state", DeliveryState),
    one_of("skip", Skip),
    one_of("doubt", Doubt),
    only_when("skip", DeliveryState.SKIPPED),
    only_when("doubt", DeliveryState.IN_DOUBT),
    only_when("due_at", DeliveryState.DEFERRED),
    postgresql_partition_by="RANGE (mailing_id)",
)
Index("delivery_address_idx", func.address_key(delivery.c.address))

inbox = Table(
    "inbox",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("public_id", Text, nullable=False, unique=True),
    Column("organization_id", BigInteger, ForeignKey("organization.id"), nullable=False),
    Column("key", Text, comment="the producer's own name for it; the same key and content is the same message"),
    Column("digest", Text, nullable=False, comment="SHA-256 over all that the producer said"),
    Column("stream", Text, nullable=False, comment="SHA-256 over content and options: the messages of one stream share it"),
    Column("lane", Text, nullable=False),
    Column("doubt_policy", Text, nullable=False),
    Column("content", JSONB, comment="until it is moved into its stream, as the next two"),
    Column("address", Text(collation="C")),
    Column("variables", JSONB),
    Column("size_bytes", Integer, nullable=False, comment="of the variables as JSON: a batch takes only so many"),
    Column("accepted_at", Moment, nullable=False, server_default=func.now()),
    Column("mailing_id", BigInteger, comment="the stream whose delivery it has become, with the next one"),
    Column("seq", Integer),
    UniqueConstraint("organization_id", "key"),
    one_of("lane", Lane),
    one_of("doubt_policy", DoubtPolicy),
    CheckConstraint("(mailing_id IS NULL) = (seq IS NULL)", name="moved"),
    CheckConstraint(
        "(mailing_id IS NULL) = (content IS NOT NULL AND address IS NOT NULL AND variables IS NOT NULL)", name="payload"
    ),
    Index("inbox_waiting_idx", "id", postgresql_where=text("mailing_id IS NULL")),
    Index("inbox_delivery_idx", "mailing_id", "seq", postgresql_where=text("mailing_id IS NOT NULL")),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("organization_id", BigInteger, ForeignKey("organization.id"), primary_key=True),
    Column("key", Text, primary_key=True, comment="what a producer sent as Idempotency-Key"),
    Column(
        "mailing_id",
        BigInteger,
        ForeignKey("mailing.id", ondelete="CASCADE"),
        nullable=False,
        comment="it is valid as long as this one",
    ),
    Column("digest", Text, nullable=False, comment="SHA-256 over the request"),
    Column("answer", JSONB, nullable=False, comment="what was answered, and is again"),
    Column("created_at", Moment, nullable=False, server_default=func.now()),
    Index(None, "mailing_id"),
)

api_key = Table(
    "api_key",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("public_id", Text, nullable=False, unique=True, comment="the part of the key by which it is found; no secret"),
    Column("organization_id", BigInteger, ForeignKey("organization.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("secret_digest", Text, nullable=False, comment="SHA-256 of the secret, which has 192 random bits and needs no salt"),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("rate_per_s", Integer, comment="requests a second; null takes the setting"),
    Column("created_at", Moment, nullable=False, server_default=func.now()),
    Column("last_used_at", Moment, comment="to a minute"),
    Column("expires_at", Moment),
    Column("revoked_at", Moment),
    CheckConstraint("cardinality(scopes) > 0 AND scopes <@ ARRAY['send', 'read', 'admin']", name="scopes"),
    CheckConstraint("rate_per_s > 0", name="rate"),
    Index(None, "organization_id"),
)

suppression = Table(
    "suppression",
    metadata,
    Column("organization_id", BigInteger, ForeignKey("organization.id"), primary_key=True),
    Column("address", Text(collation="C"), primary_key=True, comment="in lower case"),
    Column("reason", Text, nullable=False),
    Column("note", Text, comment="what else an operator should know"),
    Column("created_at", Moment, nullable=False, server_default=func.now()),
    CheckConstraint("address = lower(address)", name="lower_case"),
    one_of("reason", Reason),
)

audit = Table(
    "audit",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("at", Moment, nullable=False, server_default=func.clock_timestamp()),
    Column("actor", Text, nullable=False, comment="who: user@host of an operator, or `policy`, `journal`, `postfix_log`"),
    Column("action", Text, nullable=False),
    Column("mailing_id", BigInteger),
    Column("seq", Integer),
    Column("server", Text),
    Column("details", JSONB, nullable=False, server_default=text("'{}'")),
    Index("audit_delivery_idx", "mailing_id", "seq", postgresql_where=text("mailing_id IS NOT NULL")),
)
