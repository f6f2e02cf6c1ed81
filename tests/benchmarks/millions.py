"""What must not grow with the ledger: the progress query and the cost per mail, on few deliveries and on millions."""

from typing import Any

from tests.benchmarks import scale
from tests.benchmarks.ground import Ground

SENDING = ("postgres_us", "client_us")


def measure(ground: Ground) -> dict[str, Any]:
    """Fill databases of their own in the stack's cluster, measure in turns, and drop them."""
    found = scale.measure(ground.running.database_url, many=ground.sizes.scale)
    return {"scale": found | derived(found)}


def derived(found: dict[str, Any]) -> dict[str, float]:
    """The two figures that were asked for: milliseconds of a progress query, and how much more a mail costs in percent."""
    few, many = (sum(found["cpu_us_per_mail"][part][size] for part in SENDING) for size in ("few", "many"))
    return {"progress_ms": found["queries_ms"]["progress"]["many"], "growth_percent": round(100 * (many / few - 1), 1)}
