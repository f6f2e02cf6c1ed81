"""What a doctor says about the settings of PostgreSQL: docs/postgresql.md has the reasons."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mailq.cli.findings import Finding, fail, ok, warn

if TYPE_CHECKING:
    from mailq.store.health import Tuning

_MB = 1 << 20
_BUFFERS = 256 * _MB
_WAL = 1024 * _MB


def of_tuning(found: "Tuning") -> Iterator[Finding]:
    """What loses mail is a failure, what costs time a warning."""
    off = [name for name, on in found.safe.items() if not on]
    for name in off:
        text = f"{name} is off: after a crash the database forgets what was mailed"
        yield fail("database", text, f"ALTER SYSTEM SET {name} = on; SELECT pg_reload_conf()")
    slow = list(_slow(found))
    yield from slow
    if not off and not slow:
        yield ok("database", "its settings are fit for sending")


def _slow(found: "Tuning") -> Iterator[Finding]:
    if not found.autovacuum:
        text = "autovacuum is off: tables grow, and plans go by old statistics"
        yield warn("database", text, "ALTER SYSTEM SET autovacuum = on; SELECT pg_reload_conf()")
    if found.shared_buffers_bytes < _BUFFERS:
        text = f"shared_buffers is {found.shared_buffers_bytes // _MB} MB: what is being sent does not fit"
        yield warn("database", text, "ALTER SYSTEM SET shared_buffers = '512MB' (better a quarter of the memory), and restart it")
    if found.max_wal_bytes < _WAL:
        text = f"max_wal_size is {found.max_wal_bytes // _MB} MB: checkpoints come early, and pages are logged whole again"
        yield warn("database", text, "ALTER SYSTEM SET max_wal_size = '4GB'; SELECT pg_reload_conf()")
