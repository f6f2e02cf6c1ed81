"""What a process finds that was forked from the test's."""

import os
import signal
import traceback
from collections.abc import Callable

_WITHIN_SECONDS = 20


def in_a_forked_child(work: Callable[[], bool]) -> bool:
    """Whether the answer is true there; an error, or none in time, is a no."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            signal.alarm(_WITHIN_SECONDS)
            code = 0 if work() else 1
        except Exception:  # noqa: BLE001 - the parent's test fails
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
