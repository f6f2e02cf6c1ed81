"""The tables of calls and conversations, and of what calls alone make. Names are public: people query them."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from mailq.core.call import OVER, Event, Method, State
from mailq.core.conversation import MOST_PARTS
from mailq.core.conversation import State as ConversationState
from mailq.core.notification import State as NotificationState
from mailq.core.subscriber import Status
from mailq.store.tables import Moment, metadata, one_of, only_when

_OVER = ", ".join(f"'{state}'" for state in State if state in OVER)

conversation = Table(
    "conversation",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("organization_id", BigInteger, ForeignKey("organization.id"), nullable=False),
    Column("key", Text, nullable=False, comment="the producer's conversation_id: once used it is never to be had again"),
    Column("calls_in_conversation", Integer, nullable=False),
    Column("num_received", Integer, nullable=False, server_default=text("0"), comment="parts that have arrived"),
    Column(
        "num_run", Integer, nullable=False, server_default=text("0"), comment="parts that have run, the one in error included"
    ),
    Column("state", Text, nullable=False, server_default=ConversationState.RECEIVING),
    Column("error", Text, comment="why it is in error"),
    Column("created_at", Moment, nullable=False, server_default=func.clock_timestamp()),
    Column("last_part_at", Moment, nullable=False, server_default=func.clock_timestamp(), comment="when a part arrived last"),
    Column("ended_at", Moment),
    UniqueConstraint("organization_id", "key"),
    one_of("state", ConversationState),
    only_when("error", ConversationState.ERROR),
    CheckConstraint(f"calls_in_conversation BETWEEN 1 AND {MOST_PARTS}", name="length"),
    CheckConstraint("num_received BETWEEN 0 AND calls_in_conversation AND num_run BETWEEN 0 AND num_received", name="parts"),
    CheckConstraint(
        f"(state IN ('{ConversationState.FINISHED}', '{ConversationState.ERROR}')) = (ended_at IS NOT NULL)", name="ended"
    ),
    Index("conversation_receiving_idx", "last_part_at", postgresql_where=text("state = 'receiving'")),
)

call = Table(
    "call",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True, comment="in the order of receipt"),
    Column("public_id", Text, nullable=False, unique=True, comment="the request_id that its producer is told"),
    Column("organization_id", BigInteger, ForeignKey("organization.id"), nullable=False),
    Column("key", Text, comment="the producer's own name for it; the same key and words is the same call"),
    Column("digest", Text, nullable=False, comment="SHA-256 over all that the producer said"),
    Column("method", Text, nullable=False),
    Column("objects", JSONB, nullable=False, comment="what the method is for, as it was said"),
    Column("num_objects", Integer, nullable=False, comment="how many they are"),
    Column("responses", JSONB, nullable=False, server_default=text("'[]'"), comment="what answers it wants: send_response_to"),
    Column("priority", SmallInteger, nullable=False, comment="1 high, 2 normal, 3 low"),
    Column("state", Text, nullable=False),
    Column("conversation_id", BigInteger, ForeignKey("conversation.id")),
    Column("sequence_code", Integer, comment="its place in the conversation, from 1"),
    Column("scheduled_at", Moment, comment="the scheduled_time: not run before"),
    Column("received_at", Moment, nullable=False, server_default=func.clock_timestamp()),
    Column("ended_at", Moment),
    Column("error", Text, comment="why it is in error, or never runs"),
    UniqueConstraint("organization_id", "key"),
    UniqueConstraint("conversation_id", "sequence_code"),
    one_of("method", Method),
    one_of("state", State),
    CheckConstraint("priority BETWEEN 1 AND 3", name="priority"),
    CheckConstraint("(conversation_id IS NULL) = (sequence_code IS NULL)", name="part"),
    CheckConstraint(f"(state IN ({_OVER})) = (ended_at IS NOT NULL)", name="ended"),
    Index("call_ready_idx", "priority", "id", postgresql_where=text("state = 'ready'")),
    Index("call_scheduled_idx", "scheduled_at", postgresql_where=text("state = 'scheduled'")),
    Index("call_organization_idx", "organization_id", "id"),
    Index("call_ended_idx", "organization_id", "ended_at", "id", postgresql_where=text("ended_at IS NOT NULL")),
)

call_result = Table(
    "call_result",
    metadata,
    Column("call_id", BigInteger, ForeignKey("call.id", ondelete="CASCADE"), nullable=False),
    Column("ordinal", Integer, nullable=False, comment="of the object within its call, from 1"),
    Column("status", Text, CheckConstraint("status IN ('ok', 'error')", name="status"), nullable=False),
    Column("object_type", Text, nullable=False),
    Column("customer_key", Text, comment="the producer's own key of the object"),
    Column("correlation_id", Text, comment="the producer's own name for the object within its call"),
    Column("object_id", Text, comment="the public id of what was made or changed, where it has one"),
    Column("message", Text, nullable=False, comment="what was done, or what is at fault"),
    Column("field", Text, comment="JSON pointer to what is at fault"),
    Column("details", JSONB, nullable=False, server_default=text("'{}'"), comment="what else there is to know"),
    PrimaryKeyConstraint("call_id", "ordinal"),
)

notification = Table(
    "notification",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("public_id", Text, nullable=False, unique=True, comment="the webhook-id: the same on every attempt"),
    Column("organization_id", BigInteger, ForeignKey("organization.id"), nullable=False),
    Column("call_id", BigInteger, ForeignKey("call.id", ondelete="CASCADE")),
    Column("conversation_id", BigInteger, ForeignKey("conversation.id")),
    Column("event", Text, nullable=False),
    Column("address", Text, nullable=False, comment="a URL, or an e-mail address"),
    Column("host", Text(collation="C"), nullable=False, comment="that of the address: none is sent much at once"),
    Column("payload", Text, comment="the body that is posted, byte for byte; of an e-mail none: it is a message"),
    Column("message_id", Text, comment="of an e-mail: the public id of its message"),
    Column("state", Text, nullable=False, server_default=NotificationState.PENDING),
    Column("attempts", SmallInteger, nullable=False, server_default=text("0")),
    Column("created_at", Moment, nullable=False, server_default=func.clock_timestamp()),
    Column("due_at", Moment, comment="when it is tried next"),
    Column("settled_at", Moment),
    Column("reply", Text, comment="what the last attempt came to"),
    one_of("event", Event),
    one_of("state", NotificationState),
    only_when("due_at", NotificationState.PENDING),
    CheckConstraint("(payload IS NULL) = (message_id IS NOT NULL)", name="kind"),
    Index("notification_due_idx", "due_at", postgresql_where=text("state = 'pending'")),
    # A host that does not answer, and has many, must not stand before the others.
    Index("notification_host_idx", "host", "due_at", "id", postgresql_where=text("state = 'pending'")),
    Index("notification_call_id_idx", "call_id", postgresql_where=text("call_id IS NOT NULL")),
    # Those of calls go with their calls; these are looked for by the time they were settled.
    Index("notification_settled_idx", "settled_at", postgresql_where=text("call_id IS NULL")),
    # Once for each address: two parts that want the same told of their conversation are answered once.
    Index(
        "notification_conversation_idx",
        "conversation_id",
        "event",
        "address",
        unique=True,
        postgresql_where=text("call_id IS NULL"),
    ),
)

subscriber = Table(
    "subscriber",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("organization_id", BigInteger, ForeignKey("organization.id"), nullable=False),
    Column("customer_key", Text, nullable=False, comment="the producer's own key"),
    Column("address", Text(collation="C"), nullable=False),
    Column("attributes", JSONB, nullable=False, server_default=text("'{}'"), comment="what templates may say of them"),
    Column("status", Text, nullable=False, server_default=Status.ACTIVE),
    Column("created_at", Moment, nullable=False, server_default=func.clock_timestamp()),
    Column("updated_at", Moment, nullable=False, server_default=func.clock_timestamp()),
    UniqueConstraint("organization_id", "customer_key"),
    one_of("status", Status),
    Index("subscriber_address_idx", "organization_id", text("lower(address)")),
)

recipient_list = Table(
    "recipient_list",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("organization_id", BigInteger, ForeignKey("organization.id"), nullable=False),
    Column("customer_key", Text, nullable=False, comment="the producer's own key"),
    Column("name", Text, nullable=False),
    Column("created_at", Moment, nullable=False, server_default=func.clock_timestamp()),
    Column("updated_at", Moment, nullable=False, server_default=func.clock_timestamp()),
    UniqueConstraint("organization_id", "customer_key"),
)

recipient_list_member = Table(
    "recipient_list_member",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True, comment="in the order in which they were put in"),
    Column("recipient_list_id", BigInteger, ForeignKey("recipient_list.id", ondelete="CASCADE"), nullable=False),
    Column(
        "subscriber_id", BigInteger, ForeignKey("subscriber.id", ondelete="CASCADE"), comment="whose address and attributes it is"
    ),
    Column("address", Text(collation="C"), comment="of a recipient who is no subscriber"),
    Column("variables", JSONB, nullable=False, server_default=text("'{}'"), comment="over the attributes"),
    CheckConstraint("(subscriber_id IS NULL) = (address IS NOT NULL)", name="who"),
    UniqueConstraint("recipient_list_id", "subscriber_id"),
    Index(
        "recipient_list_member_address_key",
        "recipient_list_id",
        text("lower(address)"),
        unique=True,
        postgresql_where=text("address IS NOT NULL"),
    ),
    Index(None, "subscriber_id", postgresql_where=text("subscriber_id IS NOT NULL")),
    # Read in the order of the members, a batch at a time.
    Index("recipient_list_member_order_idx", "recipient_list_id", "id"),
)
