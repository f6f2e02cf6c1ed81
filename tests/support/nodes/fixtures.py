"""Fixtures of the node tests; a conftest imports them by name. Where pytest-celery has a fixture of the same name, this one stands in."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from celery import Celery
from pytest_celery import CeleryBrokerCluster, CeleryWorkerCluster, RedisContainer
from pytest_docker_tools import container

from mailq.broker.config import celery_settings
from mailq.local.supervisor import Supervisor
from tests.support.nodes.broker import Broker, LocalRedis
from tests.support.nodes.server import ServerContainer, WorkerServer
from tests.support.servers import temporary_home

__all__ = [
    "broker",
    "broker_node",
    "celery_backend_cluster",
    "celery_broker_cluster",
    "celery_setup_app",
    "celery_worker_cluster",
    "docker_redis",
    "node_home",
    "node_supervisor",
    "server",
    "start_server",
]

StartServer = Callable[..., WorkerServer]

# Brisk enough that a scenario takes seconds; everything else is as users get it.
_BRISK = {
    "upkeep__every": "200ms",
    "relay__sessions": 5,
    "relay__rest": "500ms",
    "relay__max_rest": "1s",
    "relay__dot_timeout": "20s",
    "stop_grace": "10s",
}

docker_redis = container(
    image=RedisContainer.image(),
    ports=RedisContainer.ports(),
    environment=RedisContainer.initial_env(),
    command=RedisContainer.command(),
    wrapper_class=RedisContainer,
    scope="session",
)


def node_mode() -> str:
    """`local` or `docker`, by MAILQ_TEST_NODES; `auto` looks for an engine."""
    chosen = os.environ.get("MAILQ_TEST_NODES", "local")
    if chosen == "auto":
        return "docker" if _engine_answers() else "local"
    if chosen not in {"local", "docker"}:
        raise pytest.UsageError(f"MAILQ_TEST_NODES={chosen}: choose local, docker or auto")
    return chosen


def _engine_answers() -> bool:
    import docker
    from docker.errors import DockerException

    try:
        client = docker.from_env(timeout=3)
        client.ping()
        client.close()
    except DockerException:
        return False
    return True


@pytest.fixture(scope="session")
def node_home() -> Iterator[Path]:
    """Where the nodes of this run live."""
    with temporary_home() as home:
        yield home


@pytest.fixture(scope="session")
def broker_node(request: pytest.FixtureRequest, node_home: Path) -> Iterator[Broker]:
    """One broker for the whole run; take `broker`."""
    if node_mode() == "docker":
        yield Broker(request.getfixturevalue("docker_redis"))
        return
    supervisor = Supervisor(node_home / "log")
    node = Broker(LocalRedis.launch(supervisor, node_home))
    try:
        node.ready()
        yield node
    finally:
        supervisor.stop()


@pytest.fixture
def broker(broker_node: Broker) -> Broker:
    """The broker, empty."""
    broker_node.revive()
    broker_node.flush()
    return broker_node


@pytest.fixture
def node_supervisor(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Supervisor]:
    """Keeps this test's own processes and their logs, and shows the logs when the test fails."""
    supervisor = Supervisor(tmp_path / "log")
    yield supervisor
    for child in supervisor.children:
        child.kill()
    for log in sorted(supervisor.logs.glob("*.log")):
        # Sections are shown with the report of a failed test only.
        request.node.add_report_section("teardown", f"{log.name} ({log})", log.read_text(errors="replace")[-20_000:])
    supervisor.stop()


@pytest.fixture
def start_server(node_supervisor: Supervisor, broker: Broker, database_url: str, sink, tmp_path: Path) -> StartServer:  # type: ignore[no-untyped-def]
    """Starts worker servers on this test's database, broker and sink.

    Settings are given as in the environment, in lower case: `start_server("two", concurrency=1, retry__first="200ms")`.
    Modules on `python_path` come before all others.
    """

    def start(
        server_id: str = "one",
        *,
        home: str | None = None,
        concurrency: int = 2,
        queues: str = "mailq.bulk",
        wait: bool = True,
        options: Sequence[str] = (),
        python_path: Sequence[Path] = (),
        **settings: object,
    ) -> WorkerServer:
        urls = {"database_url": database_url, "redis_url": broker.url, "relay_url": sink.url}
        chosen = {
            f"MAILQ_{name.upper()}": str(value) for name, value in {**urls, **_BRISK, "server_id": server_id, **settings}.items()
        }
        launched = ServerContainer.launch(
            node_supervisor,
            tmp_path / (home or server_id),
            name=server_id,
            queues=queues,
            concurrency=concurrency,
            settings=chosen,
            options=options,
            python_path=python_path,
        )
        node = WorkerServer(launched)
        return node.wait_ready() if wait else node

    return start


@pytest.fixture
def server(start_server: StartServer) -> WorkerServer:
    """One worker server with two worker processes."""
    return start_server()


# pytest-celery's own names, so that `celery_setup` is made of our nodes.


@pytest.fixture
def celery_broker_cluster(broker: Broker) -> CeleryBrokerCluster:
    """Our one broker."""
    return CeleryBrokerCluster(broker)


@pytest.fixture
def celery_backend_cluster() -> None:
    """There is no result backend: what became of a batch is in Postgres."""


@pytest.fixture
def celery_worker_cluster(server: WorkerServer) -> CeleryWorkerCluster:
    """Our worker server."""
    return CeleryWorkerCluster(server)


@pytest.fixture
def celery_setup_app(broker: Broker) -> Iterator[Celery]:
    """An app with our settings, for what the tests ask over remote control."""
    app = Celery("mailq-tests", set_as_current=False)
    app.conf.update(celery_settings(broker.url))
    yield app
    app.close()
