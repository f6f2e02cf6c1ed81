"""The producers' doors in Python: `Client` and `AsyncClient`, and the values they understand."""

from mailq.client.asynchronous import AsyncClient
from mailq.client.outbox import Outbox
from mailq.client.synchronous import Client
from mailq.client.values import Accepted, Delivery, Email, Mailing, Message, Progress, ReadyMailing, Recipient, Submitted

__all__ = [
    "Accepted",
    "AsyncClient",
    "Client",
    "Delivery",
    "Email",
    "Mailing",
    "Message",
    "Outbox",
    "Progress",
    "ReadyMailing",
    "Recipient",
    "Submitted",
]
