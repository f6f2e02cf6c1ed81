"""Wrong clocks: libfaketime, where it is found."""

import glob
import os
from collections.abc import Mapping
from pathlib import Path
from random import Random

_PLACES = (
    "/usr/lib/*/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
    "/usr/local/lib/faketime/libfaketimeMT.so.1",
)
PACKAGES = str(Path(__file__).parents[3])
"""A mailq that was not installed is found where this one was."""

_CUSTOMIZED = Path(__file__).with_name("faketime")
_WRONG_BY_S = (-86_400 * 40, -3600, -7, 7, 3600, 86_400 * 40)


def library() -> Path | None:
    """Where libfaketime is: MAILQ_FAKETIME, or one of the usual places."""
    named = os.environ.get("MAILQ_FAKETIME")
    candidates = [named] if named else [path for place in _PLACES for path in glob.glob(place)]  # noqa: PTH207 - the root is part of it
    return next((Path(path) for path in candidates if Path(path).is_file()), None)


def wrong(library: Path, dice: Random) -> Mapping[str, str]:
    """Variables that give a process a clock which is wrong by seconds, an hour or weeks.

    Only the clock on the wall: that of the monotonic kind is the kernel's own business, whatever a host believes the date to be.
    """
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME": f"{dice.choice(_WRONG_BY_S):+d}s",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "PYTHONPATH": os.pathsep.join((str(_CUSTOMIZED), PACKAGES)),
    }
