"""The producers' doors in Python: `Client` and `AsyncClient`, and the values they understand."""

from mailq.client.asynchronous import AsyncClient
from mailq.client.call_values import (
    Call,
    CallAccepted,
    CallResult,
    CallState,
    ConversationState,
    Response,
)
from mailq.client.outbox import Outbox
from mailq.client.synchronous import Client
from mailq.client.values import Accepted, Delivery, Drained, Email, Mailing, Message, Progress, ReadyMailing, Recipient, Submitted

__all__ = [
    "Accepted",
    "AsyncClient",
    "Call",
    "CallAccepted",
    "CallResult",
    "CallState",
    "Client",
    "ConversationState",
    "Delivery",
    "Drained",
    "Email",
    "Mailing",
    "Message",
    "Outbox",
    "Progress",
    "ReadyMailing",
    "Recipient",
    "Response",
    "Submitted",
]
