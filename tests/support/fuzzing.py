"""Fuzz the reply parser or whole sessions: `python -m tests.support.fuzzing replies|sessions CORPUS [libFuzzer's flags]`.

Needs atheris beside the development's packages. What it keeps in CORPUS that says something new belongs into
`tests/unit/transports/corpus`, where the tests replay it.
"""

import asyncio
import sys
from collections.abc import Callable


def targets() -> dict[str, Callable[[bytes], object]]:
    """What can be fuzzed. One event loop serves all sessions."""
    from tests.support.scores import check_replies, check_session

    runner = asyncio.Runner()
    return {"replies": check_replies, "sessions": lambda moves: runner.run(check_session(moves))}


def main() -> None:
    """Fuzz until libFuzzer's own limits end it, or a check fails."""
    import atheris

    which, *flags = sys.argv[1:]
    with atheris.instrument_imports(include=["mailq.transports.smtp", "mailq.core.classify", "mailq.core.outcome"]):
        target = targets()[which]
    atheris.Setup([sys.argv[0], *flags], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
