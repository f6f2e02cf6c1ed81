"""How serving begins and ends."""

import signal
from collections.abc import Iterator

import pytest
import uvicorn

from mailq.settings import Settings
from mailq.web.api import serving


@pytest.fixture
def _signals_as_they_were() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("_signals_as_they_were")
@pytest.mark.timeout(30)
def test_sigterm_before_uvicorn_listens_for_it_is_not_lost(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is sent where uvicorn asks how to make its event loop; serving ends all the same."""
    told: list[bool] = []
    monkeypatch.setenv("MAILQ_DATABASE_URL", settings.database_url.get_secret_value() if settings.database_url else "")
    monkeypatch.setattr(uvicorn.Config, "get_loop_factory", lambda _: told.append(bool(signal.raise_signal(signal.SIGTERM))))

    serving.serve(settings, serving.listen("127.0.0.1", 0), workers=1)

    assert told
