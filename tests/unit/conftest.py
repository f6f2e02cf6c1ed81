"""Property tests of this tier: few examples each time, so that the whole folder runs in seconds; chance brings new ones every run.

`./run test tests/unit --hypothesis-profile=thorough` takes its time.
"""

import pytest
from hypothesis import settings

# No deadline: a busy machine is not a fault of the code.
settings.register_profile("quick", max_examples=20, deadline=None)
settings.register_profile("thorough", max_examples=1000, deadline=None)


def pytest_configure(config: pytest.Config) -> None:
    """Take the quick profile unless the command line names one."""
    if not config.getoption("--hypothesis-profile"):
        settings.load_profile("quick")
