"""The usual loop as a peer: Jinja2, `EmailMessage`, smtplib."""

from typing import Any, ClassVar

from tests.benchmarks.peers.peer import Peer, PeerRun


class SmtplibLoop(Peer):
    """What people write when they write it themselves."""

    does = (
        "two processes, each with one SMTP connection for all of its mails; for each mail three Jinja2 templates that were compiled "
        "before, an EmailMessage with set_content and add_alternative, send_message, and one UPDATE with its commit in PostgreSQL that "
        "marks it as sent"
    )
    packages: ClassVar = ("jinja2>=3.1,<4", "psycopg2-binary>=2.9,<3")

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.make_database()

    @property
    def version(self) -> str:
        """It is Python's own."""
        return self.told(["-c", "import platform; print('of Python', platform.python_version())"]).strip()

    def send(self, mails: int) -> PeerRun:
        """Load the recipients, which is not counted, and send."""
        self.do("smtplib_script.py", step="load", recipients=str(self.ground.recipients(mails)))
        return self.counted(mails, script="smtplib_script.py", step="send")
