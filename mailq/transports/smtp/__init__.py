"""Pipelined SMTP over asyncio."""

from mailq.transports.smtp.failures import NoSession
from mailq.transports.smtp.options import SmtpOptions
from mailq.transports.smtp.security import Mechanism, Tls
from mailq.transports.smtp.wire import SmtpWire, offered

__all__ = ["Mechanism", "NoSession", "SmtpOptions", "SmtpWire", "Tls", "offered"]
