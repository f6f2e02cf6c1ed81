"""Other ways to send the same mail, measured beside ours: `./run bench --against NAMES`."""

from tests.benchmarks.peers.peer import Peer
from tests.benchmarks.peers.post_office import PostOffice
from tests.benchmarks.peers.smtplib_loop import SmtplibLoop
from tests.benchmarks.peers.source import Source

PEERS: dict[str, type[Peer]] = {
    "django-post_office": PostOffice,
    "smtplib": SmtplibLoop,
    "smtp-source": Source,
}
"""By the names that `--against` takes."""

__all__ = ["PEERS", "Peer"]
