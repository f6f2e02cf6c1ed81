"""What runs on a stack beside its servers: a worker server, the HTTP API and Flower. Their end ends nothing but themselves."""

import sys
from http.client import HTTPConnection, HTTPException
from importlib.util import find_spec

from mailq.local import ports
from mailq.local.stack import Running
from mailq.local.supervisor import Child

WORKER = "worker"
API = "api"
FLOWER = "flower"
_FLOWER_PORT = 5555
# Flower's list of tasks: which mailing and batch (args), how far (result).
_COLUMNS = "name,uuid,state,args,result,received,runtime,worker"


def start_worker(running: Running, *, concurrency: int = 2) -> Child:
    """Start a worker server in a process group of its own, so that it can be stopped and started without the stack."""
    words = [sys.executable, "-m", "mailq", "worker", "--unchecked", "--concurrency", str(concurrency)]
    return running.supervise(words, WORKER)


def start_server(running: Running, name: str, port: int, *, migration_list: str = "", concurrency: int = 2) -> Child:
    """Start one of several worker servers; its log has its port in its name."""
    words = [sys.executable, "-m", "mailq", "worker", "--unchecked", "--concurrency", str(concurrency)]
    env = {"MAILQ_SERVER_ID": name, "MAILQ_SERVER_PORT": str(port), "MAILQ_MIGRATION_LIST": migration_list}
    return running.supervise(words, f"{WORKER}-{port}", env)


def has_api() -> bool:
    """Whether the HTTP API is installed."""
    return find_spec("fastapi") is not None and find_spec("uvicorn") is not None


def start_api(running: Running, *, preferred: int) -> tuple[Child, str]:
    """Start the HTTP API on loopback, on a migrated database; the process and its address. It answers a second or two later.

    Args:
        preferred: its port, unless it had another one last time or somebody listens there.
    """
    port = ports.free(ports.remembered(running.home, API) or preferred)
    child = running.supervise([sys.executable, "-m", "mailq", "api", "--host", ports.HOST, "--port", str(port)], API)
    return child, _publish(running, API, port)


def has_flower() -> bool:
    """Whether Flower is installed."""
    return find_spec("flower") is not None


def start_flower(running: Running) -> tuple[Child, str]:
    """Start Flower on loopback, read-only; the process and its address. It answers some seconds later."""
    port = ports.free(ports.remembered(running.home, FLOWER) or _FLOWER_PORT)
    options = [
        f"--address={ports.HOST}",
        f"--port={port}",
        "--read-only=True",
        f"--tasks-columns={_COLUMNS}",
        "--logging=warning",
    ]
    child = running.supervise([sys.executable, "-m", "celery", "-A", "workers", "flower", *options], FLOWER, stop_within=5.0)
    return child, _publish(running, FLOWER, port)


def _publish(running: Running, name: str, port: int) -> str:
    address = f"http://{ports.HOST}:{port}"
    ports.remember(running.home, name, port)
    running.addresses[name] = address
    running.publish()
    return address


def answers(address: str, path: str = "/healthcheck") -> bool:
    """Whether it serves pages already; the path is Flower's."""
    try:
        connection = HTTPConnection(address.removeprefix("http://"), timeout=1)
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (HTTPException, OSError):
        return False


def note_ended(running: Running) -> list[str]:
    """Guests that have ended by themselves: what to say of each. They are forgotten, the stack goes on."""
    said = []
    for child in [each for each in running.supervisor.children if each.name in (WORKER, API, FLOWER)]:
        code = child.process.poll()
        if code is not None and not child.stopped:
            how = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
            said.append(f"{child.name} {how}; its log is {child.log}")
            running.addresses.pop(child.name, None)
            running.stop(child)
    return said
