"""Benchmarks: they print figures and ratios, and judge nothing. `./run bench [--json FILE]`."""
