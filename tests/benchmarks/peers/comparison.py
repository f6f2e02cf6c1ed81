"""Ours and a peer in turns: the same recipients, content and sink, and the medians."""

from collections.abc import Sequence
from statistics import median
from typing import Any

from tests.benchmarks import end_to_end
from tests.benchmarks.end_to_end import WorkerServer
from tests.benchmarks.ground import Ground
from tests.benchmarks.peers import PEERS
from tests.benchmarks.peers.peer import Peer, PeerRun, described
from tests.benchmarks.progress import Say


def compare(ground: Ground, names: Sequence[str], *, runs: int, mails: int, say: Say) -> dict[str, Any]:
    """Measure against each of these peers.

    Args:
        mails: of a run; a peer that is as quick as ours gets as many as ours gets elsewhere.
        say: told what is going on.
    """
    found = {}
    with end_to_end.worker_server(ground, ground.sink.url, ground.sink.pid) as server:
        server.send(ground.submit(mails)["mailing"])  # opens the sessions
        for name in names:
            directory = ground.directory / name
            directory.mkdir()
            say(f"{name}: installing")
            peer = PEERS[name](ground, directory)
            number = max(mails, ground.sizes.mails) if peer.patient else mails
            found[name] = _in_turns(ground, server, peer, runs, number, lambda what, name=name: say(f"{name}: {what}"))
    return {"against": found}


def _in_turns(ground: Ground, server: WorkerServer, peer: Peer, runs: int, mails: int, say: Say) -> dict[str, Any]:
    ours, theirs = [], []
    for number in range(runs):
        say(f"pair {number + 1} of {runs}, {mails:,} mails each")
        sent = server.send(ground.submit(mails)["mailing"])
        ours.append(PeerRun(sent.mails_per_s, sent.ours_us))
        theirs.append(peer.send(mails))
    return summary(ours, theirs) | {"mails": mails, "version": peer.version, "does": peer.does}


def summary(ours: Sequence[PeerRun], theirs: Sequence[PeerRun]) -> dict[str, Any]:
    """The medians of both, and by how much ours is quicker and cheaper."""
    mine, other = _median(ours), _median(theirs)
    return {
        "ours": described(mine) | {"runs": [round(run.mails_per_s, 1) for run in ours]},
        "peer": described(other) | {"runs": [round(run.mails_per_s, 1) for run in theirs]},
        "ratio": round(mine.mails_per_s / other.mails_per_s, 3),
        "cpu_ratio": round(other.cpu_us_per_mail / mine.cpu_us_per_mail, 3),
    }


def _median(runs: Sequence[PeerRun]) -> PeerRun:
    return PeerRun(median(run.mails_per_s for run in runs), median(run.cpu_us_per_mail for run in runs))
