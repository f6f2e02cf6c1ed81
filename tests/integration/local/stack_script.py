"""Brings a stack up and waits for its end, as `mailqctl up` does; run as a process by the tests beside it.

Says `{"ready": ...}` on stdout once it is up, and how it ended on stderr.
"""

import json
import signal
import sys

from mailq.errors import MailqError
from mailq.local.stack import Origin, SinkOptions, running
from mailq.settings import load

# Whoever started the tests in the background had their shell ignore Ctrl-C, and so would we.
signal.signal(signal.SIGINT, signal.default_int_handler)


def main(origin: str, *work: str) -> int:
    try:
        with running(load(), sink=SinkOptions(maildir=False), origin=Origin(origin)) as stack:
            if work:
                stack.supervise(work, "work")
            pids = {child.name: child.pid for child in stack.supervisor.children}
            urls = {"database": stack.database_url, "redis": stack.redis_url, "relay": stack.relay_url}
            sys.stdout.write(json.dumps({"ready": True, "pids": pids, "urls": urls}) + "\n")
            sys.stdout.flush()
            stack.wait()
    except KeyboardInterrupt:
        # Between the news that it is up and the waiting, whose end is 0 too.
        return 0
    except MailqError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
