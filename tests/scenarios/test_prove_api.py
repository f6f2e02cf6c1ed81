"""`./run prove api`, short: the API is killed while producers retry."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.servers import temporary_home

SEED = "20260504"


@pytest.mark.timeout(240)
@pytest.mark.parametrize("faults", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_everything_is_accepted_exactly_once_though_the_api_is_killed(tmp_path: Path, faults: int) -> None:
    document = tmp_path / "proof.json"
    words = [
        "prove",
        "api",
        "--faults",
        str(faults),
        "--seed",
        SEED,
        "--producers",
        "3",
        "--recipients",
        "40",
        "--json",
        str(document),
    ]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MAILQ_")}

    with temporary_home() as home:
        env = kept | {"MAILQ_HOME": str(home)}
        done = subprocess.run(
            [sys.executable, "-m", "mailq", *words], env=env, capture_output=True, text=True, timeout=220, check=False
        )
        left = list(home.glob("prove-api-*"))

    assert done.returncode == 0, done.stdout + done.stderr
    shown: dict[str, Any] = json.loads(document.read_text())
    assert (shown["faults"], shown["not_exactly_once"]) == (faults, 0)
    assert shown["messages"] > 10
    assert shown["mailings"]
    assert shown["mails"] > shown["messages"]
    assert shown["by_kind"]["api-killed"]
    assert "each accepted exactly once" in done.stdout
    assert not left, "what was good is not kept"
