"""One submit in a process of its own, so that its memory is its own: prints seconds and peak megabytes."""

import json
import os
import sys
import time
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

from mailq.clock import utc_now
from mailq.engine import producer
from mailq.engine.intake import open_source
from mailq.store.database import Database
from tests.benchmarks.processes import peak_rss_mb
from tests.benchmarks.recipients import CONTENTS


def main() -> None:
    """Submit the file named on the command line, with the content named behind it, as a mailing that starts when it is told to."""
    database = Database(os.environ["MAILQ_DATABASE_URL"])
    order = producer.MailingOrder("Benchmark", CONTENTS[sys.argv[2]], scheduled_at=utc_now() + timedelta(days=1))
    began, cpu_s = time.perf_counter(), time.process_time()
    with open_source(Path(sys.argv[1])) as source:
        submitted = producer.submit(database, order, source)
    spent = {"seconds": time.perf_counter() - began, "cpu_s": time.process_time() - cpu_s, "rss_mb": peak_rss_mb(os.getpid())}
    print(json.dumps({"mailing": submitted.public_id, "books": asdict(submitted.books), **spent}))


if __name__ == "__main__":
    main()
