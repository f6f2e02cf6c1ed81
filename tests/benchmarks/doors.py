"""The producers' doors: in a producer's own transaction, and over HTTP."""

from typing import Any

from tests.benchmarks import doors_http, doors_python
from tests.benchmarks.ground import Ground


def measure(ground: Ground) -> dict[str, Any]:
    """One after the other."""
    sizes = ground.sizes
    return doors_python.measure(ground) | doors_http.measure(ground, messages=sizes.messages, recipients=sizes.accepted)
