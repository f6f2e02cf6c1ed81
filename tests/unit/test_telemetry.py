"""A traceback in a log says where something failed, and not with which values: they hold passwords and addresses."""

import logging

import pytest

from mailq import telemetry


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_logged_traceback_shows_no_values(form: telemetry.LogFormat, capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        telemetry.configure(form)
        _fail_with("redis://:" + "open-sesame".upper())
    finally:
        root.handlers[:] = before
        root.setLevel(level)

    written = capsys.readouterr().err
    assert "ZeroDivisionError" in written
    assert "OPEN-SESAME" not in written
    assert "\x1b" not in written, "no terminal, no colours"


def _fail_with(url: str) -> None:
    secret = url
    try:
        print(secret, 1 / 0)
    except ZeroDivisionError:
        telemetry.logger(__name__).exception("failed")
