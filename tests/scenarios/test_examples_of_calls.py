"""The examples of the pages about calls run as they stand there, against a real API and a worker server, and do what they show."""

import csv
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from mailq.admin import keys, webhook_secrets
from mailq.settings import Settings
from mailq.store.database import Database
from tests.support import examples
from tests.support.api import Caller, serving_api
from tests.support.nodes.server import WorkerServer
from tests.support.sink import SinkThread
from tests.support.waiting import eventually

CALLS, CONVERSATIONS = "docs/calls.md", "docs/conversations.md"
OURS = "127.0.0.0/8"
KNOWN = {
    CALLS: {"call.sh", "call.py", "extract.sh", "receiver.py", "library.py", "spool.py"},
    CONVERSATIONS: {"conversation.py", "conversation.sh"},
}
Run = Callable[[str], str]


@pytest.mark.parametrize("page", KNOWN)
def test_every_example_is_run_here(page: str) -> None:
    assert set(examples.of_page(page)) == KNOWN[page]


@pytest.fixture
def caller(
    database: Database, database_url: str, start_server: Callable[..., WorkerServer], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Caller]:
    """Whoever has a key of the API beside which a worker server runs calls; webhooks may go to this machine."""
    start_server(queues="mailq.bulk,mailq.transactional", wait=False, calls__webhook_networks=OURS)
    with serving_api(Settings(database_url=database_url, calls={"webhook_networks": OURS})) as api:  # type: ignore[arg-type]
        key = keys.create(database, "default", "examples", ["send", "read"]).key
        monkeypatch.setenv("API_URL", api.url)
        monkeypatch.setenv("API_KEY", key)
        with httpx2.Client(base_url=api.url) as http:
            yield Caller(http, key)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs an example as a program of its own; what it printed."""

    def run(name: str) -> str:
        page = next(page for page, names in KNOWN.items() if name in names)
        words = [sys.executable if name.endswith(".py") else "sh", str(examples.write(page, name, tmp_path))]
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_the_examples_do_what_they_show_and_once(caller: Caller, run: Run, sink: SinkThread, tmp_path: Path) -> None:
    """All of them twice: whatever they order is done once."""
    first = {name: run(name) for name in ("call.sh", "call.py", "spool.py", "conversation.py", "conversation.sh")}
    again = {name: run(name) for name in first}

    assert '"state":"finished"' in first["call.sh"]
    assert '"correlation_id":"receipt"' in first["call.sh"]
    assert "Ada ok subscriber `customer-1` was made" in first["call.py"]
    assert first["spool.py"] == "ready\n"
    assert first["conversation.py"].splitlines()[:4] == ["waiting", "waiting", "waiting", "finished "]
    assert again["conversation.py"].splitlines()[:4] == ["finished", "finished", "finished", "finished "]
    assert first["conversation.py"].splitlines()[4:] == again["conversation.py"].splitlines()[4:]
    assert first["conversation.sh"].count('"status":"ok"') == 2
    wanted = sorted(["ada@customer.example"] * 2 + ["grace@customer.example"] * 2)
    eventually(lambda: len(sink.accepted) >= len(wanted), within=30)
    assert sorted(sink.accepted_recipients) == wanted

    run("extract.sh")
    rows = list(csv.DictReader((tmp_path / "results.csv").read_text().splitlines()))
    assert [row["status"] for row in rows] == ["ok"] * len(rows)
    assert len(rows) == 1 + 2 + 1 + 4 + 2
    assert len(caller.get("/v1/calls").json()["data"]) == 3 + 3 + 2


@pytest.mark.parametrize("name", ["receiver.py", "library.py"])
def test_a_receiver_verifies_what_is_ours_and_nothing_else(name: str, caller: Caller, database: Database, tmp_path: Path) -> None:
    """Signed with the secret that it knows, although there is an older one."""
    webhook_secrets.list_(database, "default")
    known = webhook_secrets.add(database, "default", actor="examples").secret
    with _receiving(name, tmp_path, known) as (url, told):
        assert httpx2.post(url, content=b"{}").status_code == 401
        forged = {"webhook-id": "ntf_x", "webhook-timestamp": "1700000000", "webhook-signature": "v1,QUJD"}
        assert httpx2.post(url, content=b"{}", headers=forged).status_code == 401
        said = {
            "method": "delete",
            "objects": [{"type": "subscriber", "customer_key": "nobody"}],
            "options": {"send_response_to": [{"response_type": "http_post", "response_address": url, "include_results": True}]},
        }
        request_id = caller.post("/v1/calls", json=said).json()["request_id"]

        eventually(lambda: told() == [f"call.error {request_id}"], within=30)
        answered = f"/v1/calls/{request_id}/notifications"
        eventually(lambda: [each["state"] for each in caller.get(answered).json()["data"]] == ["sent"], within=10)


@contextmanager
def _receiving(name: str, directory: Path, secret: str) -> Iterator[tuple[str, Callable[[], list[str]]]]:
    """A receiver as a process of its own: its address, and what it has printed."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    path, printed = examples.write(CALLS, name, directory), directory / "printed"
    environment = {**os.environ, "PORT": str(port), "WEBHOOK_SECRETS": secret}
    with (
        printed.open("w") as out,
        subprocess.Popen([sys.executable, str(path)], env=environment, stdout=out, stderr=out) as process,
    ):
        try:
            eventually(lambda: _listens(port), within=20)
            yield (
                f"http://127.0.0.1:{port}/",
                lambda: [line for line in printed.read_text().splitlines() if line.startswith("call.")],
            )
        finally:
            process.kill()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
