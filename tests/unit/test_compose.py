"""docker-compose.yml says only what the product has: commands, settings, secrets, queues, an order to start in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from digest.cli.serve import STOP_SECONDS
from digest.settings import PREFIX, Settings, load

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
KNOWN = {PREFIX + name.upper() for name in Settings.model_fields}


def by_default(text: str) -> str:
    """The text with ${NAME:-default} replaced by its default."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


@pytest.mark.parametrize("name", OURS)
def test_it_starts_every_container_by_a_command_that_exists(name: str) -> None:
    cli = pytest.importorskip("digest.cli", reason="needs the command line")
    verb, *arguments = map(by_default, OURS[name]["command"])
    command = cli.main.get_command(click.Context(cli.main), verb)
    assert command
    command.make_context(verb, arguments, resilient_parsing=False)


@pytest.mark.parametrize("name", OURS)
def test_it_sets_only_settings_that_exist(name: str) -> None:
    assert {variable.removesuffix("_FILE") for variable in OURS[name]["environment"]} <= KNOWN


def test_it_lists_only_settings_that_exist_in_the_example() -> None:
    lines = (ROOT / "config" / "example.env").read_text(encoding="utf-8").splitlines()
    values = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert set(values) <= KNOWN
    assert load(environ=values).smtp_security == "starttls"


@pytest.mark.parametrize("name", OURS)
def test_it_reads_secrets_from_files_that_make_secrets_writes(name: str) -> None:
    paths = [value for variable, value in OURS[name]["environment"].items() if variable.endswith("_FILE")]
    assert {Path(path).name for path in paths} == set(OURS[name]["secrets"])
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for secret in COMPOSE["secrets"].values():
        assert Path(secret["file"]).name in makefile
    assert not re.search(r"(?i)(password|secret|key)\w*: *[^/\s\[]\w{8,}", (ROOT / "docker-compose.yml").read_text())


@pytest.mark.parametrize("name", sorted(set(OURS) - {"migrate"}))
def test_it_waits_for_the_migrations(name: str) -> None:
    assert OURS[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert OURS[name]["depends_on"]["redis"] == {"condition": "service_healthy"}


def test_it_migrates_once_when_the_database_answers() -> None:
    assert OURS["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert OURS["migrate"]["restart"] == "no"


@pytest.mark.parametrize("name", OURS)
def test_it_can_write_to_its_data_and_to_tmp_only(name: str) -> None:
    assert OURS[name]["read_only"] is True
    assert OURS[name]["cap_drop"] == ["ALL"]
    assert OURS[name]["volumes"] == ["data:/var/lib/digest"]


def test_it_opens_ports_to_this_machine_only() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {"migrate"}))
def test_it_checks_the_health_of_everything_that_stays(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


@pytest.mark.parametrize("name", [name for name in OURS if name.startswith("worker")])
def test_it_gives_workers_longer_to_stop_than_they_take(name: str) -> None:
    app = pytest.importorskip("workers.app", reason="needs the workers")
    grace = int(OURS[name]["stop_grace_period"].removesuffix("s"))
    assert grace > app.app.conf.worker_soft_shutdown_timeout + STOP_SECONDS


def test_it_serves_every_queue_in_both_profiles() -> None:
    app = pytest.importorskip("workers.app", reason="needs the workers")

    def queues(name: str) -> set[str]:
        command = OURS[name]["command"]
        return set(by_default(command[command.index("--queues") + 1]).split(","))

    assert queues("worker") == set(app.QUEUES)
    assert {"ingest", "upkeep"} | queues("worker-rank") | queues("worker-deliver") == set(app.QUEUES)


def test_it_runs_as_a_user_without_rights() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    final = dockerfile[dockerfile.rindex("\nFROM ") :]
    assert re.search(r"^USER digest$", final, re.MULTILINE)
    assert "--require-hashes -r constraints.txt" in dockerfile


def test_it_copies_into_the_image_only_what_docker_may_see() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied: set[str] = set()
    for line in (ROOT / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            copied |= set(line.split()[1:-1])
    assert copied == allowed
    assert all((ROOT / name).exists() for name in copied)
