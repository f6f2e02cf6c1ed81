"""The tables of a run: on a page they replace the former ones, and leave alone what this run did not measure."""

from pathlib import Path

import pytest

from tests.architecture.tree import ROOT
from tests.benchmarks import report, sending
from tests.unit.benchmarks.test_figures import SENT

PAGE = """# Page

<!-- bench:figures -->
| of the last run |
<!-- bench:end -->

Between.

<!-- bench:peers -->
| peers of the last run |
<!-- bench:end -->
"""


@pytest.fixture
def document() -> dict[str, object]:
    """A run of all parts in which only sending is told."""
    nothing = {"client": {}, "first_mail": {}, "accept": None}
    return nothing | {"end_to_end": sending.described(SENT, "plain")}


def test_a_page_gets_the_tables_of_this_run(tmp_path: Path, document: dict[str, object]) -> None:
    """And written twice it is the same page."""
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    report.write(page, document)
    once = page.read_text()
    report.write(page, document)

    assert page.read_text() == once
    assert "| of the last run |" not in once
    assert "| end to end, 1 KB personalised multipart | 6,000 mails/s | ≥ 6,000 mails/s | ≥ 10,000 | 1.00 | reached |" in once
    assert "\nBetween.\n" in once
    assert "| peers of the last run |" in once


def test_a_run_of_one_part_leaves_the_table_of_all(tmp_path: Path, document: dict[str, object]) -> None:
    """Else a look at sending would empty the other lines."""
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    report.write(page, {"end_to_end": document["end_to_end"]})

    assert page.read_text() == PAGE


def test_the_page_of_the_project_has_a_place_for_every_table(document: dict[str, object]) -> None:
    """A table without a place would be measured and lost; and every place is closed."""
    text = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")

    assert [name for name in report.names() if f"<!-- bench:{name} -->\n" not in text] == []
    assert text.count("<!-- bench:end -->") == len(report.names())


def test_four_servers_need_the_shared_part_four_times(document: dict[str, object]) -> None:
    """110 µs of a mail are a worker server's own, 30 are PostgreSQL's and Redis's."""
    rows = [line for line in report.sections(document)["servers"].splitlines() if line.startswith("| 4 ")]

    assert rows == ["| 4 | 72,727 | 2.18 | 66,667 |"]
