"""`doubt resolve`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mailq.cli import parts
from mailq.cli.actor import actor
from mailq.cli.confirming import confirm
from mailq.cli.doubt_file import read_file
from mailq.cli.options import CONTEXT, Words, examples, json_option
from mailq.cli.recipients import Recipient
from mailq.cli.terminal import print_json, say
from mailq.core.in_doubt import Verdict
from mailq.core.outcome import Doubt

if TYPE_CHECKING:
    from mailq.engine.doubt_lists import Named
    from mailq.engine.doubts import Settled
    from mailq.store.database import Database

_EXAMPLES = examples(
    "doubt resolve sale-42 ann@x.example --as sent",
    "doubt resolve sale-42 --reason host_lost --as resend",
    "doubt resolve --file verdicts.csv --as error --yes",
)


@dataclass(frozen=True)
class _Mailing:
    """Everything of a mailing, or what is in doubt for one reason."""

    reference: str
    verdict: Verdict
    reason: Doubt | None

    def count(self, database: "Database") -> int:
        from mailq.engine import doubts as engine
        from mailq.store import doubts, mailings

        with database.begin() as tx:
            mailing = mailings.find(tx, self.reference)
            engine.require_allowed(tx, mailing, self.verdict)
            num = doubts.count(tx, mailing_id=mailing.id, reason=self.reason)
        if not num:
            raise engine.nothing_in_doubt(mailing, self.reason)
        return num

    def settle(self, database: "Database", by: str) -> "Settled":
        from mailq.engine import doubts

        return doubts.resolve_mailing(database, self.reference, self.verdict, actor=by, reason=self.reason)


@dataclass(frozen=True)
class _Named:
    """Deliveries that are named one by one."""

    named: "list[Named]"

    def count(self, database: "Database") -> int:
        from mailq.engine import doubt_lists

        return doubt_lists.check(database, self.named)

    def settle(self, database: "Database", by: str) -> "Settled":
        from mailq.engine import doubt_lists

        return doubt_lists.resolve(database, self.named, actor=by)


@click.command(context_settings=CONTEXT, epilog=_EXAMPLES)
@click.argument("reference", metavar="[MAILING]", required=False)
@click.argument("who", metavar="[ADDRESS|SEQ]", type=Recipient(), required=False)
@click.option("--as", "word", type=Words([*Verdict]), help="What becomes of them; in a file, of lines that do not say.")
@click.option("--reason", type=Words([*Doubt]), help="Only what is in doubt for this reason.")
@click.option(
    "--file",
    "file",
    type=click.Path(path_type=Path, allow_dash=True),
    help="CSV: mailing,address,verdict; or `doubt list --json`.",
)
@click.option("--dry-run", is_flag=True, help="Check everything, say how many it would be, change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option()
def resolve(
    *,
    reference: str | None,
    who: int | str | None,
    word: str | None,
    reason: str | None,
    file: Path | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Say what becomes of one delivery, of all of a MAILING, or of those in a file.

    `sent` counts them as sent, `error` as not sent; `resend` sends them again, so that some may arrive twice.
    """
    verdict = Verdict(word) if word else None
    chosen = parts.load()
    choice = _choice(reference, who, verdict, Doubt(reason) if reason else None, file)
    with parts.opened(chosen, checked=True) as database:
        num = choice.count(database)
        if dry_run:
            _say(num, verdict, settled=False, as_json=as_json)
            return
        if who is None:
            confirm(f"resolve {_counted(num)} {f'as {verdict}' if verdict else 'as the file says'}?", yes=yes)
        settled = choice.settle(database, actor())
        for lane in sorted(settled.lanes):
            parts.ring(chosen, database, lane)
    _say(settled.num, verdict, settled=True, as_json=as_json)


def _choice(
    reference: str | None, who: int | str | None, verdict: Verdict | None, reason: Doubt | None, file: Path | None
) -> _Mailing | _Named:
    from mailq.engine.doubt_lists import Named

    if file is not None:
        if reference is not None or reason is not None:
            raise click.UsageError("--file names the mailings and recipients itself: say no MAILING and no --reason")
        return _Named(read_file(file, verdict))
    if reference is None:
        raise click.UsageError(
            "which ones? Say MAILING, MAILING ADDRESS, or --file FILE; `mailqctl doubt list` shows what there is"
        )
    if verdict is None:
        raise click.UsageError(f"say what becomes of them: --as {'|'.join(Verdict)}")
    if who is None:
        return _Mailing(reference, verdict, reason)
    if reason is not None:
        raise click.UsageError("--reason is for a whole mailing: say no ADDRESS, or no --reason")
    return _Named([Named(reference, who, verdict)])


def _say(num: int, verdict: Verdict | None, *, settled: bool, as_json: bool) -> None:
    if as_json:
        print_json({"num": num, "verdict": verdict, "changed": settled})
        return
    what = f"as {verdict}" if verdict else "as the file says"
    say(
        f"resolved {_counted(num)} {what}"
        if settled
        else f"would resolve {_counted(num)} {what}; nothing was changed (--dry-run)"
    )


def _counted(num: int) -> str:
    return f"{num:,} {'delivery' if num == 1 else 'deliveries'} in doubt"
