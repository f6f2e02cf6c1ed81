"""`./run prove calls`, short: everything is killed while calls and conversations come in, run and are answered."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.servers import temporary_home

SEED = "20260617"


@pytest.mark.timeout(400)
@pytest.mark.parametrize("faults", [1, pytest.param(12, marks=pytest.mark.slow)])
def test_every_call_ends_once_in_sequence_and_is_answered_though_everything_is_killed(tmp_path: Path, faults: int) -> None:
    document = tmp_path / "proof.json"
    numbers = {"--faults": faults, "--seed": SEED, "--producers": 3, "--part-gap": 5 if faults == 1 else 15, "--json": document}
    words = ["prove", "calls", *[str(word) for option in numbers.items() for word in option]]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MAILQ_")}

    with temporary_home() as home:
        env = kept | {"MAILQ_HOME": str(home)}
        done = subprocess.run(
            [sys.executable, "-m", "mailq", *words], env=env, capture_output=True, text=True, timeout=380, check=False
        )
        left = list(home.glob("prove-calls-*"))

    assert done.returncode == 0, done.stdout + done.stderr
    shown: dict[str, Any] = json.loads(document.read_text())
    assert (shown["faults"], shown["violations"]) == (faults, 0)
    assert shown["calls"] > 20
    assert shown["conversations"] > 2
    assert shown["attempts"] >= shown["answers"] > 5
    assert shown["mails"]
    assert shown["by_kind"]["server-killed" if faults == 1 else "postgres-killed"]
    assert "each ended once, in sequence, and was answered" in done.stdout
    assert not left, "what was good is not kept"
