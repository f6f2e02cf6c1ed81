"""What a doctor asks about the other servers."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mailq.cli.findings import Finding, ok, warn
from mailq.core.migration_list import MigrationList
from mailq.settings import Settings

if TYPE_CHECKING:
    from mailq.store.database import Database


def of_migration_list(chosen: Settings, database: "Database") -> Iterator[Finding]:
    """Whom this server would take over, and what on its list would not come to that: entries that mean nobody, servers that live."""
    from mailq.store import servers

    listed = MigrationList.parse(chosen.migration_list)
    if not listed.entries:
        return
    with database.begin() as tx:
        known = [server for server in servers.known(tx) if server.name != chosen.server_name]
    for entry in listed.unknown(known):
        fix = "`mailqctl server list` names all servers and their hosts"
        yield warn("servers", f"migration list: entry `{entry.text}` means no server that ever started", fix)
    meant = [server for server in known if listed.means(server)]
    for server in meant:
        if server.is_alive:
            text = f"migration list: server {server.name} is alive on host {server.host}; while it is, nothing of it is taken"
            fix = "nothing, if it is listed for later; else stop it, or `mailqctl server migrate --force`"
            yield warn("servers", text, fix)
    if dead := [server.name for server in meant if not server.is_alive]:
        yield ok("servers", f"migration list: {', '.join(dead)} may be taken over")
