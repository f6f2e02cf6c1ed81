"""What the doctor says fits on a line."""

import pytest
from click.testing import CliRunner

from mailq.cli import main


def test_settings_at_fault_are_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILQ_MIGRATION_LIST", "web1:")

    result = CliRunner().invoke(main, ["doctor"])

    assert result.exit_code == 1
    assert "these settings are at fault: migration_list: entry `web1:`" in result.stdout
