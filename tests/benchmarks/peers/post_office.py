"""django-post_office as a peer, in its documented bulk way."""

from typing import Any, ClassVar

from tests.benchmarks.peers.peer import Peer, PeerRun


class PostOffice(Peer):
    """The queue of mails that Django projects use most."""

    does = (
        "mail.send_many with a template and a context for each recipient, rendered on delivery (queueing is not counted), then "
        "send_queued_mail with two processes of five threads each, batches of 1,000, and a log of failures only"
    )
    packages: ClassVar = ("django>=5.2,<6.1", "django-post_office>=3.10,<4", "psycopg2-binary>=2.9,<3")

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.make_database()
        self.do("post_office_script.py", step="migrate")

    @property
    def version(self) -> str:
        """Of the package, with Django's."""
        return f"{self.version_of('django-post_office')} (Django {self.version_of('django')})"

    def send(self, mails: int) -> PeerRun:
        """Queue the recipients, which is not counted, and send."""
        self.do("post_office_script.py", step="queue", recipients=str(self.ground.recipients(mails)))
        return self.counted(mails, script="post_office_script.py", step="send")
