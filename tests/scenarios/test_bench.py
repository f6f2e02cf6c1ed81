"""The benchmark runs from end to end with small numbers, and leaves a document and a page."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT
from tests.benchmarks import postfix_tools
from tests.benchmarks.figures import TARGETS

SMALL = ("--quick", "--mails", "600", "--recipients", "500", "--largest", "700", "--calls", "60")
NOT_MEASURED = {"progress", "growth"}


def bench(*words: str) -> None:
    """Run the benchmark with small numbers, without settings from outside."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAILQ_")}
    argv = [sys.executable, "-m", "tests.benchmarks", *SMALL, *words]
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=170, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_small_run_fills_the_document_and_the_page(tmp_path: Path) -> None:
    """Every part but the crowded ledger. What the figures are is no matter here, only that they are there."""
    document, page = tmp_path / "bench.json", tmp_path / "page.md"
    page.write_text((ROOT / "docs" / "performance.md").read_text(encoding="utf-8"), encoding="utf-8")
    bench("--json", str(document), "--markdown", str(page))

    found = json.loads(document.read_text(encoding="utf-8"))
    measured = {name for name, figure in found["figures"].items() if figure["value"] is not None}
    # Without Postfix's programs there is nothing to be compared with.
    ceiling = set() if "smtp_source" in found else {"ratio_to_smtp_source"}
    assert measured == {target.name for target in TARGETS} - NOT_MEASURED - ceiling
    assert {"mails_per_s", "cpu_us_per_mail", "cpu_us_per_mail_by_process", "mails", "bytes", "sink"} <= set(found["end_to_end"])
    assert found["end_to_end"]["mails"] == 600
    assert {"recipients_per_s", "recipients"} <= set(found["accept"])
    assert set(found["rss_mb"]) == {"worker", "submit", "api"}
    written = page.read_text(encoding="utf-8")
    assert f"| end to end, 1 KB personalised multipart | {found['end_to_end']['mails_per_s']:,.0f} mails/s |" in written


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_peer_takes_turns_with_ours(tmp_path: Path) -> None:
    """The one peer that needs no installation."""
    if postfix_tools.find() is None:
        pytest.skip("smtp-source cannot be had on this machine")
    document = tmp_path / "peers.json"
    bench("--against", "smtp-source", "--runs", "2", "--peer-mails", "300", "--json", str(document))

    found = json.loads(document.read_text(encoding="utf-8"))["against"]["smtp-source"]
    assert found["mails"] == 600  # as many as ours gets elsewhere: it is quick enough
    assert len(found["ours"]["runs"]) == len(found["peer"]["runs"]) == 2
    assert found["ratio"] > 0
