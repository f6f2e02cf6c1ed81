"""A stack for scenarios of calls: an API on a real socket, a worker server, a mail sink and a receiver of webhooks, for many tests."""

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2

from mailq.admin import keys, maintenance
from mailq.local.supervisor import Supervisor
from mailq.settings import Settings
from mailq.store.database import Database
from tests.support.api import Caller, serving_api
from tests.support.nodes.server import ServerContainer, WorkerServer
from tests.support.receivers import TAKEN, Receiver, answering
from tests.support.sink import SinkThread
from tests.support.waiting import eventually

Said = dict[str, Any]
ACTOR = "ann@web1"
SENDER = "Calls <calls@mailq.example>"
OURS = "127.0.0.0/8"
OVER = {"finished", "error", "not_run", "cancelled"}

_BRISK = {"UPKEEP__EVERY": "200ms", "RELAY__SESSIONS": "5", "STOP_GRACE": "10s", "LOG_LEVEL": "WARNING"}
_names = itertools.count(1)


def fresh(what: str = "c") -> str:
    """A name that no other test has."""
    return f"{what}{next(_names)}"


def subscriber(key: str | None = None, **more: Any) -> Said:
    """A subscriber that is to be."""
    key = key or fresh("s")
    return {"type": "subscriber", "customer_key": key, "address": f"{key}@example.com", **more}


def taken(**more: Any) -> Said:
    """An object with which every call but a first one is in error: it is refused when it is run."""
    return {"type": "subscriber", "customer_key": "taken", "address": "taken@example.com", **more}


class CallStack:
    """What a test sends calls to, and where it looks for what has become of them."""

    def __init__(self, caller: Caller, database: Database, sink: SinkThread, receiver: Receiver) -> None:
        self.caller = caller
        self.database = database
        self.sink = sink
        self.receiver = receiver

    def ask(self, method: str, *objects: Said, key: str | None = None, caller: Caller | None = None, **options: Any) -> Any:
        """Send a call; the answer as it comes."""
        said: Said = {"method": method, "objects": list(objects), "options": options}
        return (caller or self.caller).post("/v1/calls", json=said if key is None else said | {"key": key})

    def send(self, method: str, *objects: Said, key: str | None = None, **options: Any) -> Said:
        """Send a call that is accepted."""
        answer = self.ask(method, *objects, key=key, **options)
        assert answer.status_code == 202, answer.text
        found: Said = answer.json()
        return found

    def part(self, of: str, code: int, length: int, *objects: Said, method: str = "create", **options: Any) -> Said:
        """Send a part of a conversation that is accepted."""
        place = {"conversation_id": of, "sequence_code": code, "calls_in_conversation": length}
        return self.send(method, *(objects or (subscriber(),)), **place, **options)

    def call(self, request_id: str) -> Said:
        """A call as it stands."""
        return self._get(f"/v1/calls/{request_id}")

    def ended(self, sent: Said) -> Said:
        """A call that was sent, when it has ended."""
        return eventually(lambda: found if (found := self.call(sent["request_id"]))["state"] in OVER else None, within=30)

    def conversation(self, key: str) -> Said:
        """A conversation as it stands."""
        return self._get(f"/v1/conversations/{quote(key, safe='')}")

    def ended_conversation(self, key: str) -> Said:
        """A conversation when it has ended."""
        return eventually(
            lambda: found if (found := self.conversation(key))["state"] in {"finished", "error"} else None, within=30
        )

    def results_of(self, key: str) -> list[Said]:
        """The results of a conversation."""
        found: list[Said] = self._get(f"/v1/conversations/{quote(key, safe='')}/results")["data"]
        return found

    def has(self, key: str) -> bool:
        """Whether there is a subscriber."""
        return bool(self.caller.get(f"/v1/subscribers/{key}").status_code == 200)

    def answers(self, *, sent: Said | None = None, conversation: str | None = None) -> list[Said]:
        """The answers about a call or a conversation that were made."""
        path = f"/v1/calls/{sent['request_id']}" if sent else f"/v1/conversations/{conversation}"
        found: list[Said] = self._get(f"{path}/notifications")["data"]
        return found

    def hook(self, name: str) -> str:
        """Where answers are heard as those of a name."""
        return f"http://127.0.0.1:{self.receiver.port}/{name}"

    def heard(self, name: str) -> list[Said]:
        """What was heard there."""
        return [json.loads(each.body) for each in self.receiver.received if each.target == f"/{name}"]

    @contextmanager
    def maintenance(self) -> Iterator[None]:
        """Nothing is run for the length of a block."""
        maintenance.on(self.database, actor=ACTOR, why="a test")
        try:
            yield
        finally:
            maintenance.off(self.database, actor=ACTOR)

    def _get(self, path: str) -> Said:
        answer = self.caller.get(path)
        assert answer.status_code == 200, answer.text
        found: Said = answer.json()
        return found


@contextmanager
def running(url: str, redis_url: str, home: Path) -> Iterator[CallStack]:
    """Everything, on a migrated database and a Redis that are there."""
    database, sink, receiver = Database(url, application="tests"), SinkThread(), Receiver(answering(TAKEN))
    supervisor = Supervisor(home / "log")
    calls = {"webhook_networks": OURS, "response_sender": SENDER}
    chosen = {
        **_BRISK,
        "DATABASE_URL": url,
        "REDIS_URL": redis_url,
        "RELAY_URL": sink.url,
        "SERVER_ID": "calls",
        **{f"CALLS__{name.upper()}": value for name, value in calls.items()},
    }
    try:
        launched = ServerContainer.launch(
            supervisor,
            home / "calls",
            name="calls",
            queues="mailq.transactional,mailq.bulk",
            concurrency=1,
            settings={f"MAILQ_{name}": value for name, value in chosen.items()},
        )
        settings = Settings(database_url=url, redis_url=redis_url, calls=calls)  # type: ignore[arg-type]
        with serving_api(settings) as api, httpx2.Client(base_url=api.url, timeout=20) as http:
            key = keys.create(database, "default", "tests", ["admin"]).key
            stack = CallStack(Caller(http, key), database, sink, receiver)
            stack.send("create", taken())
            WorkerServer(launched)
            yield stack
    finally:
        for child in supervisor.children:
            child.kill()
        supervisor.stop()
        receiver.close()
        sink.close()
        database.close()
