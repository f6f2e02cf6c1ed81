"""Logs: an event name and ids, never an address or a body. Rendered for a console or as JSON lines on stderr."""

import logging
import sys
from typing import Literal

import structlog

LogFormat = Literal["console", "json"]


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger that takes an event name and its ids: `log.info("batch.claimed", batch_id=7, fence=2)`."""
    bound: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return bound


def configure(form: LogFormat = "console", level: str = "INFO") -> None:
    """Send structlog's and the standard library's records to stderr in one form. Called once by whoever starts the process."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=_SHARED, processors=_rendering(form)))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)


def _rendering(form: LogFormat) -> list[structlog.types.Processor]:
    drop = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    if form == "json":
        return [drop, structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    # Without locals: they hold URLs with passwords, and addresses.
    colors = sys.stderr.isatty()
    traceback = structlog.dev.RichTracebackFormatter(show_locals=False, color_system="auto" if colors else None)
    return [drop, structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=traceback)]


_SHARED: list[structlog.types.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
]

# Inside somebody else's process our records go where theirs go; structlog's own default would print them to stdout.
structlog.configure(
    processors=[structlog.stdlib.filter_by_level, *_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
    wrapper_class=structlog.stdlib.BoundLogger,
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)
