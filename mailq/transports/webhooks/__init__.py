"""Webhooks: signed by Standard Webhooks 1.0.0, and posted only where they may go."""

from mailq.transports.webhooks.posting import Poster

__all__ = ["Poster"]
