"""The commands about servers."""

import click

from mailq.cli.lazy import Entry, LazyGroup
from mailq.cli.options import CONTEXT, examples

COMMANDS = {
    "list": Entry("mailq.cli.server_list:list_servers", "List servers: who lives, where, and what each holds."),
    "drain": Entry("mailq.cli.server_drain:drain", "Stop a server from afar, without losing or doubling a mail."),
    "migrate": Entry("mailq.cli.server_migrate:migrate", "Give the batches of a server that is gone to another one, now."),
}


@click.command(
    cls=LazyGroup,
    entries=COMMANDS,
    context_settings=CONTEXT,
    epilog=examples("server list", "server drain web1:8851", "server migrate --from web1:8851 --to web2:8851"),
)
def server() -> None:
    """See and steer worker servers.

    SERVER is the id a server goes by: MAILQ_SERVER_ID, by default <hostname>:8851.
    """
