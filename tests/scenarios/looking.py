"""Looks into the sink, for the moments that scenarios wait for."""

from tests.support.sink import SinkThread


def num_unanswered_dots(sink: SinkThread) -> int:
    """How many sessions of the sink have a whole message and have not answered it."""
    return sum(session._waiting for session in list(sink._sink._shared.sessions))
