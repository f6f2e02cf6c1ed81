"""What it costs to make a message: plain expressions are spliced into prepared bytes, control flow is executed and encoded whole."""

import time
from statistics import median
from typing import Any

from mailq.clock import utc_now
from mailq.core.message import date_header
from tests.benchmarks import recipients
from tests.benchmarks.ground import Ground

_TIMES = 5


def measure(ground: Ground) -> dict[str, Any]:
    """CPU microseconds of a message of each content."""
    return {"rendering": {name: _described(name, ground.sizes.rendered) for name in recipients.CONTENTS}}


def _described(name: str, number: int) -> dict[str, float]:
    return {"cpu_us": round(cpu_us(name, number), 1), "bytes": len(recipients.message(name))}


def cpu_us(name: str, number: int) -> float:
    """Make messages for people who are all different; the median of some runs."""
    renderer = recipients.compiled(name)
    stamp = date_header(utc_now())
    people = [{"first_name": f"Name{place}", "city": "Köln", "coupon": f"SPRING-{place:07d}"} for place in range(number)]
    runs = []
    for _ in range(_TIMES):
        began = time.process_time()
        for person in people:
            recipients.render(renderer, person, date=stamp)
        runs.append((time.process_time() - began) / number * 1e6)
    return median(runs)
