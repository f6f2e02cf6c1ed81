"""What `mailing submit --dry-run` shows."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from typing import TYPE_CHECKING

from mailq.cli import parts
from mailq.cli.terminal import clean, print_json, print_line, say

if TYPE_CHECKING:
    from mailq.engine.intake.preview import Suppressed
    from mailq.engine.producer import MailingOrder, Preview
    from mailq.settings import Settings

_COUNTS = ("num_records", "num_valid", "num_invalid", "num_duplicates", "num_suppressed", "num_incomplete")


def print_preview(found: "Preview", *, as_json: bool) -> None:
    """Counts, the first faults with their lines, and the first mail.

    Raises:
        SystemExit: 65 when nobody would get a mail.
    """
    if as_json:
        faults = [fault._asdict() for fault in found.faults]
        message = None if found.message is None else found.message.decode("utf-8", "replace")
        counts = {name: getattr(found, name) for name in _COUNTS}
        print_json(
            {**counts, "duplicates_exact": found.duplicates_exact, "faults": faults, "address": found.address, "message": message}
        )
    else:
        _print_for_people(found)
    if found.message is None:
        say("mailqctl: nobody would get a mail")
        raise SystemExit(65)


@contextmanager
def asking(chosen: "Settings", order: "MailingOrder") -> "Iterator[Suppressed | None]":
    """The suppressions that an order has to heed, to be asked; None where no database is set. A dry run does without one."""
    from mailq.store import organizations, suppressions

    if chosen.database_url is None:
        yield None
        return
    with parts.opened(chosen, checked=True) as database:
        with database.begin() as tx:
            owner = organizations.id_of(tx, order.organization)

        def suppressed(addresses: Collection[str]) -> Collection[str]:
            with database.begin() as tx:
                return suppressions.of(tx, owner, addresses, lane=order.lane)

        yield suppressed


def _print_for_people(found: "Preview") -> None:
    least = "" if found.duplicates_exact else "at least "
    print_line(f"{found.num_records:,} records: {found.num_valid:,} recipients would get a mail,")
    print_line(f"  {found.num_invalid:,} are invalid, {least}{found.num_duplicates:,} duplicates would be skipped,")
    if found.num_suppressed is not None:
        print_line(f"  {found.num_suppressed:,} are suppressed and would be skipped,")
    print_line(f"  {found.num_incomplete:,} lack a variable and would end as errors")
    for fault in found.faults:
        print_line(clean(f"  line {fault.line}: {fault.reason}"))
    if found.message is not None:
        print_line(f"\nthe mail to {found.address}:\n")
        print_line(clean(_readable(found.message)))
    print_line("\nnothing was stored (--dry-run)")


def _readable(message: bytes) -> str:
    """A mail as a person reads it: decoded headers and bodies."""
    parsed = message_from_bytes(message, policy=policy.default)
    lines = [f"{name}: {value}" for name, value in parsed.items()]
    for part in parsed.walk():
        if part.get_content_maintype() == "text":
            lines += ["", f"--- {part.get_content_type()} ---", str(part.get_content()).replace("\r\n", "\n").rstrip()]
    return "\n".join(lines)
