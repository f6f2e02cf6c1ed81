"""The apps of `examples/`, each started as its README says and driven as a browser would."""

import re
import subprocess
import sys
from pathlib import Path

import httpx2

from mailq.local import ports
from mailq.local.supervisor import Supervisor, bare_environment

ROOT = Path(__file__).parents[2]
_READY_WITHIN = 30.0


class ExampleApp:
    """One app and its browser.

    Args:
        name: of its directory.
        database_url: of the database it shares with mailq.
    """

    def __init__(self, name: str, database_url: str, supervisor: Supervisor) -> None:
        self._name = name
        self._directory = ROOT / "examples" / name
        self._supervisor = supervisor
        self._environment = {
            **bare_environment(),
            "DATABASE_URL": database_url,
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self.port = ports.free()
        self.browser = httpx2.Client(base_url=f"http://127.0.0.1:{self.port}", follow_redirects=True, timeout=30.0)

    def run(self, *words: str) -> str:
        """A command of the app, to its end; what it said."""
        argv = [sys.executable, *words]
        done = subprocess.run(argv, cwd=self._directory, env=self._environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, *words: str) -> "ExampleApp":
        """Serve; `PORT` in the words is replaced."""
        argv = [sys.executable, *(word.replace("PORT", str(self.port)) for word in words)]
        child = self._supervisor.start(f"app-{self._name}", argv, env=self._environment, cwd=self._directory)
        child.wait_until(self._answers, _READY_WITHIN)
        return self

    def submit(self, path: str, **fields: str) -> httpx2.Response:
        """Send the form that leads there, from the first page."""
        page = self.browser.get("/").text
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
        hidden = {"csrfmiddlewaretoken": token[1]} if token else {}
        return self.browser.post(path, data={**hidden, **fields})

    def close(self) -> None:
        """Close the browser; the process ends with its supervisor."""
        self.browser.close()

    def _answers(self) -> bool:
        try:
            self.browser.get("/")
        except httpx2.TransportError:
            return False
        return True
