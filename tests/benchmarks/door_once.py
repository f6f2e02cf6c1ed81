"""One submit by the Python client in a process of its own: prints seconds, CPU and peak megabytes."""

import json
import os
import random
import sys
import time
from collections.abc import Iterator
from datetime import timedelta

from mailq import Mailing, Recipient
from mailq.clock import utc_now
from tests.benchmarks.processes import peak_rss_mb
from tests.benchmarks.recipients import CITIES, CONTENTS, flawed_address
from tests.support.producers import own_connection, producing


def recipients(number: int) -> Iterator[Recipient]:
    """The same as in the file of `recipients.write`, flawed."""
    dice = random.Random(1)
    for place in range(number):
        coupon = f"SPRING-{place:07d}"
        yield Recipient(flawed_address(place), {"first_name": f"Name{place}", "city": dice.choice(CITIES), "coupon": coupon})


def main() -> None:
    """Submit: the kind of producer, how many recipients, and `list` or `generator` for what they come in."""
    kind, number, held = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    url, content = os.environ["MAILQ_DATABASE_URL"], CONTENTS["plain"]
    mailing = Mailing(
        "Benchmark",
        content.subject,
        content.sender,
        text=content.text,
        html=content.html,
        scheduled_at=utc_now() + timedelta(days=1),
    )
    given = list(recipients(number)) if held == "list" else recipients(number)
    opened = own_connection(url, asynchronous=False) if kind == "own" else producing(kind, url)
    with opened as producer:
        client = producer if kind == "own" else producer.client
        client.history("warm@up.example")
        began, cpu_s = time.perf_counter(), time.process_time()
        submitted = client.submit(mailing, given)
        if kind != "own":
            producer.commit()
        spent = {"seconds": time.perf_counter() - began, "cpu_s": time.process_time() - cpu_s}
    print(json.dumps({"mailing": submitted.id, "skipped": submitted.num_skipped, "rss_mb": peak_rss_mb(os.getpid()), **spent}))


if __name__ == "__main__":
    main()
