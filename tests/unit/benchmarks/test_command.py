"""The words of `./run bench`."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.benchmarks import sending
from tests.benchmarks.__main__ import PARTS, main
from tests.benchmarks.peers import PEERS
from tests.unit.benchmarks.test_figures import SENT


@pytest.mark.parametrize(
    ("words", "known"), [(["--only", "sending,sandwich"], PARTS), (["--against", "sandwich"], PEERS)], ids=["parts", "peers"]
)
def test_a_name_that_is_none_is_refused_with_those_that_are(words: list[str], known: dict[str, object]) -> None:
    """Before anything is started."""
    result = CliRunner().invoke(main, words)

    assert result.exit_code == 2
    assert f"sandwich is none of {', '.join(known)}" in result.output


def test_help_has_an_example_of_each_way_to_run() -> None:
    """And names the parts and the peers as they are."""
    said = CliRunner().invoke(main, ["--help"]).output

    assert f"Parts: {', '.join(PARTS)}." in said
    assert f"--against {','.join(PEERS)}" in said


def test_a_former_run_is_shown_again_without_measuring(tmp_path: Path) -> None:
    """What took ten minutes need not be measured again to be put into a page; what failed in it is told again."""
    former, page = tmp_path / "bench.json", tmp_path / "page.md"
    page.write_text("<!-- bench:sending -->\n<!-- bench:end -->\n")
    document = {"end_to_end": sending.described(SENT, "plain"), "failed": {"scale": "the disk is full"}}
    former.write_text(json.dumps(document))
    result = CliRunner().invoke(main, ["--from", str(former), "--markdown", str(page)])

    assert result.exit_code == 1
    assert "scale failed: the disk is full" in result.output
    assert "6,000" in result.output
    assert "| 1 KB | 100 | 10 | 28 | 2 | 60 | 140 | 6,000 |" in page.read_text()
