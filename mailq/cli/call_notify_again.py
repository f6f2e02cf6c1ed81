"""`call notify-again`."""

import click

from mailq.cli import parts
from mailq.cli.actor import actor
from mailq.cli.options import CONTEXT, examples
from mailq.cli.terminal import print_line


@click.command("notify-again", context_settings=CONTEXT, epilog=examples("call notify-again ntf_4fq0c8zj12ab34cd"))
@click.argument("notification_id", metavar="NOTIFICATION_ID")
def notify_again(*, notification_id: str) -> None:
    """Try an answer again that is in error: at once, and as often as if it were new. `call show` lists the answers of a call.

    Its receiver knows it again by the same webhook-id.
    """
    from mailq.admin import notifications

    with parts.opened(parts.load(), checked=True) as database:
        before = notifications.again(database, None, notification_id, actor=actor())
    print_line(
        f"notification {notification_id} is pending again; it was tried {_times(before.attempts)}: {before.reply or 'no reply'}"
    )


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number:,} times"
