"""smtp-source as a peer: the ceiling."""

from typing import ClassVar

from tests.benchmarks import smtp_source
from tests.benchmarks.end_to_end import PROCESSES, SESSIONS
from tests.benchmarks.peers.peer import Peer, PeerRun


class Source(Peer):
    """Postfix's smtp-source, the C program that others are measured by."""

    does = "sends one message again and again in C, one process, as many sessions as ours: no content, database or books"
    patient: ClassVar[bool] = True

    @property
    def version(self) -> str:
        """Debian says it with the package, not with the program."""
        return ""

    def send(self, mails: int) -> PeerRun:
        """Send so many copies."""
        if self.ground.tools is None:
            raise RuntimeError("smtp-source could not be had on this machine")
        run = smtp_source.run(self.ground.tools, self.ground.sink, mails, sessions=PROCESSES * SESSIONS)
        return PeerRun(run.mails_per_s, run.cpu_us_per_mail)
