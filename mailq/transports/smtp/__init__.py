"""Pipelined SMTP over asyncio."""

from mailq.transports.smtp.options import Security, SmtpOptions
from mailq.transports.smtp.wire import SmtpWire

__all__ = ["Security", "SmtpOptions", "SmtpWire"]
