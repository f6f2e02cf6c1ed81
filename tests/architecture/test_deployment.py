"""docker-compose.yml and the Dockerfile, held to what the code calls things. No container engine is needed."""

import re
import shlex
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from celery.bin.celery import celery as celery_command

from docs.generator import settings as settings_page
from mailq.broker import names
from mailq.cli import main
from mailq.settings import Settings
from tests.architecture.tree import ROOT, files, named
from workers.membership import _run_path
from workers.signboard import pulse_path

COMPOSE_TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "mailq"}
DOCKERFILE = (ROOT / "deploy/Dockerfile").read_text()
ENV_EXAMPLE = (ROOT / "deploy/env.example").read_text()
# Programs of the images that are not ours, and of Debian's essential packages.
PROGRAMS = {"pg_isready", "redis-cli", "redis-server", "find", "grep"}


def test_the_services_are_those_that_a_mailing_needs() -> None:
    """The sink only where somebody asks for it."""
    assert set(SERVICES) == {"postgres", "redis", "migrate", "worker", "api", "flower", "sink"}
    assert {name for name, service in SERVICES.items() if "profiles" in service} == {"sink"}
    assert SERVICES["sink"]["profiles"] == ["sink"]


def test_every_variable_of_ours_is_a_setting() -> None:
    """In compose and in the image; a name nobody reads would be ignored silently."""
    found = {name for service in SERVICES.values() for name in service.get("environment", {}) if name.startswith("MAILQ_")}
    found |= set(re.findall(r"\bMAILQ_[A-Z_]+", DOCKERFILE + ENV_EXAMPLE + COMPOSE_TEXT))

    assert found
    assert found - set(settings_page.variables()) == set()


def test_every_variable_that_compose_asks_for_is_in_the_example() -> None:
    """And the other way round: nothing there is without effect."""
    asked = set(re.findall(r"\$\{(\w+)", COMPOSE_TEXT)) | {
        name for service in SERVICES.values() for name, value in service.get("environment", {}).items() if value is None
    }
    offered = set(re.findall(r"^(?:# )?([A-Z_]+)=", ENV_EXAMPLE, re.MULTILINE))

    assert asked == offered


@pytest.mark.parametrize("name", OURS)
def test_the_settings_of_a_service_are_accepted(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What compose would pass, once its variables are filled in."""
    chosen = _settings(name, monkeypatch)

    if name in {"worker", "migrate", "api"}:
        assert chosen.database_url is not None
        assert "@postgres:5432/" in chosen.database_url.get_secret_value()
    if name in {"worker", "flower", "api"}:
        assert chosen.redis_url is not None
        assert chosen.redis_url.get_secret_value().startswith("redis://redis:6379")


@pytest.mark.parametrize("name", OURS)
def test_the_command_of_a_service_can_be_typed(name: str) -> None:
    """The command exists, and each of its options."""
    _require_command([_filled(word) for word in OURS[name]["command"]])


def test_the_images_own_command_can_be_typed_too() -> None:
    """What `docker run mailq` does."""
    found = re.search(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)

    assert found
    _require_command(yaml.safe_load(found[1]))


def test_the_worker_serves_every_lane() -> None:
    """By default all of them; a queue named in the file must exist."""
    named_queues = set(re.findall(r"\bmailq\.(\w+)", re.sub(r"mailq\.local\.sink", "", COMPOSE_TEXT)))

    assert {f"mailq.{queue}" for queue in named_queues} <= set(names.EVERY_QUEUE)
    assert "--lane" not in SERVICES["worker"]["command"]


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {"migrate"}))
def test_a_health_check_asks_something_that_is_there(name: str) -> None:
    """Program, path and port; and it never starts Celery, which costs seconds of CPU each time."""
    check = SERVICES[name]["healthcheck"]
    kind, *words = check["test"]
    if kind == "CMD-SHELL":
        words = shlex.split(words[0])
    programs = [words[0], *(words[i + 1] for i, word in enumerate(words) if word == "|")]

    assert "celery" not in words
    if words[0] == "python":
        compile(words[2], name, "exec")
        listens = " ".join(SERVICES[name]["command"])
        ports = re.findall(r"(?:--port=|:)(\d{4})", listens) or [str(Settings().api.port)]
        assert re.findall(r"127\.0\.0\.1'?[:,] ?(\d+)", words[2]) == ports
    else:
        assert set(programs) <= PROGRAMS
    assert {"interval", "timeout", "retries", "start_period"} <= set(check)


def test_the_workers_health_is_read_where_its_pulse_is_felt() -> None:
    """The image's home, the directory and ending of the file that the pulse touches."""
    home = re.search(r"MAILQ_HOME=(\S+)", DOCKERFILE)
    words = SERVICES["worker"]["healthcheck"]["test"][1]
    assert home
    pulse = _pulse(home[1])

    assert str(pulse.parent) in words
    assert f"'*{pulse.suffix}'" in words
    assert home[1] in SERVICES["worker"]["volumes"]


def test_services_start_in_the_order_of_their_needs() -> None:
    """The worker once the schema fits; the schema once the database answers."""
    conditions = {
        name: {needed: facts["condition"] for needed, facts in service.get("depends_on", {}).items()}
        for name, service in SERVICES.items()
    }

    assert conditions["migrate"] == {"postgres": "service_healthy"}
    assert conditions["worker"] == {"migrate": "service_completed_successfully", "redis": "service_healthy"}
    assert conditions["api"] == {"migrate": "service_completed_successfully"}
    assert conditions["flower"] == {"redis": "service_healthy"}
    for needs in conditions.values():
        assert all("healthcheck" in SERVICES[needed] for needed, wanted in needs.items() if wanted == "service_healthy")


def test_a_migration_runs_once_and_everything_else_comes_back() -> None:
    """`restart: always` on a one-shot service would migrate for ever."""
    policies = {name: service["restart"] for name, service in SERVICES.items()}

    assert policies.pop("migrate") == "no"
    assert set(policies.values()) == {"unless-stopped"}


def test_a_worker_has_longer_to_stop_than_it_takes() -> None:
    """Waiting for replies, then settling, handing back and leaving: 15 s at the least."""
    worker = SERVICES["worker"]
    grace = Settings(stop_grace=worker["environment"]["MAILQ_STOP_GRACE"]).stop_grace

    assert timedelta(seconds=int(worker["stop_grace_period"].removesuffix("s"))) >= grace + timedelta(seconds=15)
    assert re.search(r"^STOPSIGNAL SIGTERM$", DOCKERFILE, re.MULTILINE)


def test_the_api_has_longer_to_stop_than_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is under way is answered, in a container and in a unit; the rest asks again with its key."""
    by_default = Settings().api.stop_grace
    in_a_container = _settings("api", monkeypatch).api.stop_grace

    assert _seconds(_unit("mailq-api.service")["TimeoutStopSec"]) >= by_default + timedelta(seconds=10)
    assert _seconds(SERVICES["api"]["stop_grace_period"]) >= in_a_container + timedelta(seconds=10)


def test_the_api_is_reached_through_its_container_and_from_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """It listens to all in its container, and on this host's loopback for a proxy; a unit's listens on loopback itself."""
    by_default = Settings().api.host
    chosen = _settings("api", monkeypatch).api

    assert (by_default, chosen.host) == ("127.0.0.1", "0.0.0.0")
    assert SERVICES["api"]["ports"] == [f"127.0.0.1:{chosen.port}:{chosen.port}"]
    assert "outside" in SERVICES["api"]["networks"], "a port of a network without a way out is published to nobody"


def test_the_proxy_of_the_page_fits_what_it_stands_before() -> None:
    """The address that it passes to, a body as large as an upload may be, and nothing held back of events."""
    (block,) = re.findall(
        r"^```nginx\n(.*?)^```", (ROOT / "docs/doors/serving.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    facts = dict(re.findall(r"^\s*(\w+) ([^;{]*);$", block, re.MULTILINE))
    size = re.fullmatch(r"(\d+)m", facts["client_max_body_size"])

    assert size
    assert int(size[1]) * 1024**2 >= Settings().api.max_upload
    assert f"server 127.0.0.1:{Settings().api.port};" in block
    assert (facts["proxy_buffering"], facts["proxy_request_buffering"]) == ("off", "off")


def test_a_worker_can_be_scaled() -> None:
    """No name, host name, port or server id that two of them would share."""
    worker = SERVICES["worker"]

    assert not {"container_name", "hostname", "ports"} & set(worker)
    assert not {"MAILQ_SERVER_ID", "MAILQ_SERVER_PORT"} & set(worker["environment"])


def test_redis_never_evicts_and_survives_a_restart() -> None:
    """The broker that a worker would refuse must not be the one we ship."""
    words = SERVICES["redis"]["command"]
    options = dict(zip(words[1::2], words[2::2], strict=True))

    assert options == {"--appendonly": "yes", "--appendfsync": "everysec", "--maxmemory-policy": "noeviction"}
    assert SERVICES["redis"]["volumes"] == ["redis:/data"]


def test_images_of_others_are_pinned_to_a_major() -> None:
    """Not `latest`, which would upgrade a database's major by surprise; not a patch, which would never be mended."""
    others = [service["image"] for service in SERVICES.values() if service["image"] != "mailq"]
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)

    assert [image for image in others if not re.fullmatch(r"[a-z/]+:\d+", image)] == []
    assert {base for base in bases if not re.fullmatch(r"python:3\.\d+-slim", base)} == set()
    assert len(set(bases)) == 1


def test_postgres_keeps_its_data_where_that_major_writes_it() -> None:
    """From 18 on the image's data lies below /var/lib/postgresql/MAJOR; before, in /var/lib/postgresql/data."""
    major = int(SERVICES["postgres"]["image"].partition(":")[2])
    place = "/var/lib/postgresql" if major >= 18 else "/var/lib/postgresql/data"

    assert SERVICES["postgres"]["volumes"] == [f"postgres:{place}"]
    assert set(COMPOSE["volumes"]) == {"postgres", "redis", "sink"}


def test_no_password_is_in_the_files() -> None:
    """Whoever starts it must bring one: without it compose refuses."""
    assert re.findall(r"://[^/\s:]*:([^@\s]*)@", re.sub(r"\$\{[^}]*\}", "", COMPOSE_TEXT)) == [""]
    assert re.findall(r"\$\{POSTGRES_PASSWORD([^}]*)\}", COMPOSE_TEXT) == [":?set it in .env, letters and digits"] * 2
    assert re.search(r"^POSTGRES_PASSWORD=$", ENV_EXAMPLE, re.MULTILINE)
    assert ".env" in (ROOT / ".gitignore").read_text().split()


def test_books_and_broker_are_reached_by_our_services_alone() -> None:
    """No port of theirs leaves their network; the API's and Flower's are on loopback."""
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}

    assert published == {"api": ["127.0.0.1:8880:8880"], "flower": ["127.0.0.1:5555:5555"]}
    assert COMPOSE["networks"]["books"] == {"internal": True}
    assert SERVICES["postgres"]["networks"] == SERVICES["redis"]["networks"] == ["books"]
    assert "--read-only=True" in SERVICES["flower"]["command"]


def test_the_image_is_locked_small_and_runs_as_nobody_special() -> None:
    """From the lock with hashes, in two stages, under a user of its own; nothing that only one builder understands."""
    instructions = [line.split()[0] for line in DOCKERFILE.splitlines() if re.match(r"[A-Z]+ ", line)]

    assert "--require-hashes -r requirements/run.txt" in DOCKERFILE
    assert instructions.count("FROM") == 2
    assert instructions.index("USER") > max(i for i, word in enumerate(instructions) if word in {"RUN", "COPY"})
    assert not re.search(r"--mount|<<|# *syntax=|COPY --chmod|COPY --link", DOCKERFILE)
    assert not {"ADD", "ARG"} & set(instructions)


def test_what_the_image_copies_is_what_the_builder_is_given() -> None:
    """The rest of the directory, with secrets and local state, stays outside."""
    copied = {
        word
        for line in DOCKERFILE.splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for word in line.split()[1:-1]
    }
    ignore = (ROOT / ".dockerignore").read_text().splitlines()

    assert copied == {line[1:] for line in ignore if line.startswith("!")}
    assert "*" in ignore
    assert all((ROOT / name).exists() for name in copied)
    assert not any(named(path).startswith("requirements/") and path.name not in {"run.txt", "dev.txt"} for path in files())


def _pulse(home: str) -> Path:
    assert '.board")' in (ROOT / "workers/membership.py").read_text()
    return pulse_path(_run_path(Settings(home=Path(home)), "3.board"))


def _settings(name: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of a service as its process reads them."""
    for key, value in OURS[name].get("environment", {}).items():
        if key.startswith("MAILQ_"):
            monkeypatch.setenv(key, _filled(value))
    return Settings()


def _unit(name: str) -> dict[str, str]:
    text = (ROOT / "deploy/systemd" / name).read_text()
    assert set(re.findall(r"\bMAILQ_[A-Z_]+", text)) - set(settings_page.variables()) == set()
    return dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))


def _seconds(text: str) -> timedelta:
    return timedelta(seconds=int(text.removesuffix("s")))


def _filled(value: object) -> str:
    """A value as compose would have it, with a stand-in for what must be given."""
    stand_ins = {
        "MAILQ_RELAY_URL": "smtp://relay.example:25",
        "POSTGRES_PASSWORD": "abc123",
        "WORKER_PROCESSES": "2",
        "API_PROCESSES": "1",
    }
    return re.sub(r"\$\{(\w+)(?::[-?][^}]*)?\}", lambda found: stand_ins[found[1]], str(value))


def _require_command(words: list[str]) -> None:
    match words:
        case ["mailqctl", *rest]:
            _require_click(main, rest)
        case ["celery", "-A", app, *rest]:
            assert find_spec(app)
            _require_click(celery_command, rest)
        case ["python", "-m", module, *rest]:
            place = ROOT.joinpath(*module.split("."))
            assert place.with_suffix(".py").exists() or (place / "__main__.py").exists()
            from mailq.local.sink.__main__ import main as sink

            assert module == "mailq.local.sink"
            _require_click(sink, rest)
        case _:
            pytest.fail(f"nothing of ours: {words}")


def _require_click(command: click.Command, words: list[str]) -> None:
    context = click.Context(command, **command.context_settings)
    while isinstance(command, click.Group):
        found = command.get_command(context, words[0])
        assert found is not None, f"no command {words[0]}"
        command, words = found, words[1:]
        context = click.Context(command, parent=context, **command.context_settings)
    if command.name == "flower":
        _require_flower(words)
    else:
        command.make_parser(context).parse_args(list(words))


def _require_flower(words: list[str]) -> None:
    import flower.options  # noqa: F401 - it defines them
    from tornado.options import options

    for word in words:
        name, _, value = word.removeprefix("--").partition("=")
        assert name in options, name
        assert value


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "deploy/systemd").glob("*.service")))
def test_a_systemd_unit_runs_what_can_be_typed(name: str) -> None:
    """Under a user of its own, and after a failure again."""
    facts = _unit(name)
    program, *rest = shlex.split(facts["ExecStart"])

    _require_command([Path(program).name, *rest])
    assert facts["Restart"] == "on-failure"
    assert facts["User"] == "mailq"


def test_the_systemd_unit_waits_longer_for_a_stop_than_a_worker_does_for_replies() -> None:
    """And leaves a server down that was drained: it has ended well."""
    facts = _unit("mailq-worker@.service")

    assert _seconds(facts["TimeoutStopSec"]) >= Settings().stop_grace + timedelta(seconds=15)
    assert facts["Restart"] == "on-failure"
