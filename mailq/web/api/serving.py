"""Serving: the application in a process of uvicorn's, with settings and logs of its own."""

import gc
import multiprocessing
import os
import signal
import socket
import sys
import threading
from multiprocessing import connection

import uvicorn
from fastapi import FastAPI
from uvicorn.supervisors import Multiprocess

from mailq import settings, telemetry
from mailq.errors import Misconfigured, Unavailable
from mailq.settings import Settings
from mailq.web.api import app as application
from mailq.web.api.protocol import Protocol

KEEP_ALIVE_S = 75
"""How long a connection may be silent between two requests: longer than proxies keep theirs (60 s), so that none meets a closed one."""

_BACKLOG = 2048

_SWITCH_S = 0.001
"""How long a thread goes on while another one waits to. The writing thread asks for its turn after each answer of the database; at
Python's own 5 ms an order waits longer for that than for the database.
"""


def app() -> FastAPI:
    """The application for a process that serves it alone; uvicorn calls it by its name."""
    chosen = settings.load()
    telemetry.configure(chosen.log, chosen.log_level)
    sys.setswitchinterval(_SWITCH_S)
    if (parent := multiprocessing.parent_process()) is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), name="parent", daemon=True).start()
    created = application.create(chosen)
    # What is made by now stays: looking through all of it for garbage would keep requests waiting for a tenth of a second.
    gc.collect()
    gc.freeze()
    return created


def listen(host: str, port: int) -> socket.socket:
    """Take an address.

    Raises:
        Misconfigured: it is none of this machine's.
        Unavailable: somebody listens there already, or we may not.
    """
    try:
        family, _, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        taken = socket.create_server(where[:2], family=family, backlog=_BACKLOG)
    except socket.gaierror:
        raise Misconfigured(f"`{host}` is no address to listen on; write 127.0.0.1, 0.0.0.0 or a name of this machine") from None
    except OSError as error:
        raise Unavailable(f"cannot listen on {host}:{port}: {error.strerror}") from None
    taken.set_inheritable(True)
    return taken


def address(listening: socket.socket) -> str:
    """Where requests are taken, as a URL."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def configuration(chosen: Settings, *, workers: int = 1, serves: FastAPI | None = None) -> uvicorn.Config:
    """How uvicorn serves: `app` of this module, unless it is told what else."""
    return uvicorn.Config(
        serves or "mailq.web.api.serving:app",
        factory=serves is None,
        http=Protocol,
        ws="none",
        lifespan="on",
        workers=workers,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=round(chosen.api.stop_grace.total_seconds()),
    )


def serve(chosen: Settings, listening: socket.socket, *, workers: int) -> None:
    """Serve until SIGTERM or SIGINT; what is under way is answered first."""
    config = configuration(chosen, workers=workers)
    if workers > 1:
        # uvicorn raises the signal again when it has stopped; that was all it was for.
        signal.signal(signal.SIGTERM, lambda *_: None)
        Multiprocess(config, sockets=[listening]).run()
        return
    server = uvicorn.Server(config)
    # It may come before uvicorn listens for it, and comes again when uvicorn has stopped.
    signal.signal(signal.SIGTERM, lambda *_: setattr(server, "should_exit", True))
    server.run(sockets=[listening])


def _end_with(sentinel: int) -> None:
    """A child of uvicorn's would go on serving when its parent was killed."""
    connection.wait([sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
