"""The ceiling: Postfix's smtp-source, a C program that sends one message again and again, without database, content or books."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks import processes, recipients
from tests.benchmarks.postfix_tools import PostfixTools
from tests.benchmarks.smtp_sinks import BenchSink


@dataclass(frozen=True)
class Ceiling:
    """What a run of smtp-source showed."""

    mails_per_s: float
    cpu_us_per_mail: float


def run(tools: PostfixTools, sink: BenchSink, mails: int, *, sessions: int) -> Ceiling:
    """Send one of our own messages to the sink so many times, over sessions that stay open."""
    with tempfile.NamedTemporaryFile(suffix=".eml") as file:
        # It ends lines by CRLF itself.
        Path(file.name).write_bytes(recipients.message().replace(b"\r\n", b"\n"))
        words = [
            "-d",
            "-s",
            str(sessions),
            "-m",
            str(mails),
            "-F",
            file.name,
            "-f",
            "news@shop.example",
            "-t",
            recipients.address(1),
        ]
        spent = processes.run([str(tools.source), *words, sink.address], tools.environment())
    return Ceiling(mails / spent.seconds, spent.cpu_s / mails * 1e6)
