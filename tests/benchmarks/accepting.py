"""Accepting recipients from a file: validation, duplicates, suppressions and every index; and the memory of a very large submit."""

from statistics import median
from typing import Any

from sqlalchemy import Connection

from tests.benchmarks import recipients
from tests.benchmarks.ground import Ground

_STEP = 50
"""One of so many of the recipients is suppressed, as long as there are entries."""


def measure(ground: Ground) -> dict[str, Any]:
    """Submit mailings that are not sent; the median rate."""
    sizes = ground.sizes
    with ground.database.begin() as tx:
        num_suppressed = suppress(tx, sizes.suppressed)
    loads = [ground.submit(sizes.accepted, flawed=True) for _ in range(sizes.accepted_times)]
    rates = [sizes.accepted / load["seconds"] for load in loads]
    books, peak = loads[-1]["books"], round(max(load["rss_mb"] for load in loads), 1)
    return {
        "accept": {
            "recipients_per_s": round(median(rates), 1),
            "recipients": sizes.accepted,
            "runs": [round(rate, 1) for rate in rates],
            "client_cpu_us_per_recipient": round(median(load["cpu_s"] for load in loads) / sizes.accepted * 1e6, 1),
            "skipped": books["num_skipped"],
            "suppressions": num_suppressed,
            "rss_mb": peak,
        },
        "rss_mb": {"submit": peak},
    }


def measure_largest(ground: Ground) -> dict[str, Any]:
    """Submit millions, and see what the process held at most."""
    number = ground.sizes.largest
    load = ground.submit(number)
    ground.recipients(number).unlink()
    peak = round(load["rss_mb"], 1)
    return {
        "accept_largest": {"recipients": number, "recipients_per_s": round(number / load["seconds"], 1), "rss_mb": peak},
        "rss_mb": {"submit": peak},
    }


def suppress(tx: Connection, number: int) -> int:
    """Fill the suppression table: some of the recipients, and many who are none; how many entries, 0 without such a table."""
    if tx.exec_driver_sql("SELECT to_regclass('suppression')").scalar_one() is None:
        return 0
    addresses = [recipients.address(place * _STEP) for place in range(number)]
    statement = """INSERT INTO suppression (organization_id, address, reason)
        SELECT organization.id, lower(each), 'manual' FROM (SELECT min(id) AS id FROM organization) AS organization, unnest(%s) AS each
            ON CONFLICT DO NOTHING"""
    return tx.exec_driver_sql(statement, (addresses,)).rowcount
