"""`api`: serves the HTTP API in the foreground."""

import click

from mailq.cli import parts
from mailq.cli.options import CONTEXT, examples
from mailq.cli.terminal import say
from mailq.errors import Misconfigured


@click.command(context_settings=CONTEXT, epilog=examples("api", "api --host 0.0.0.0 --port 8880 --workers 2"))
@click.option("--host", help="Address to listen on.  [default: MAILQ_API__HOST, 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on.  [default: MAILQ_API__PORT, 8880]")
@click.option("--workers", type=click.IntRange(1, 64), help="Processes that answer.  [default: MAILQ_API__WORKERS, 1]")
def api(*, host: str | None, port: int | None, workers: int | None) -> None:
    """Serve the HTTP API. It stays in the foreground; SIGTERM or Ctrl-C lets it answer what is under way, and ends it.

    It speaks HTTP: put it behind a proxy that speaks TLS. Keys are made by `mailqctl key create`.
    """
    chosen = parts.load()
    try:
        from mailq.web.api import serving
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("mailq"):
            raise
        raise Misconfigured(f"the HTTP API needs `{error.name}`; install mailq with it: pip install 'mailq[api]'") from None
    with parts.opened(chosen, checked=True):
        listening = serving.listen(host or chosen.api.host, chosen.api.port if port is None else port)
    processes = workers or chosen.api.workers
    say(f"mailq API: {serving.address(listening)}, {processes} {'process' if processes == 1 else 'processes'}")
    serving.serve(chosen, listening, workers=processes)
