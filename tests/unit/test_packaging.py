"""What is installed: the exact versions fit the declared ranges, and no file says where packages are fetched."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]


def pinned(name: str) -> dict[str, list[Requirement]]:
    text = (ROOT / name).read_text(encoding="utf-8")
    found: dict[str, list[Requirement]] = {}
    for line in re.findall(r"^[A-Za-z].*?(?= *\\?$)", text, re.MULTILINE):
        requirement = Requirement(line)
        found.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return found


@pytest.mark.parametrize(
    ("name", "declared"),
    [
        ("constraints.txt", PROJECT["dependencies"] + EXTRAS["build"]),
        ("constraints-dev.txt", PROJECT["dependencies"] + EXTRAS["build"] + EXTRAS["dev"]),
    ],
)
def test_it_pins_every_declared_package_within_its_range(name: str, declared: list[str]) -> None:
    pins = pinned(name)
    for requirement in map(Requirement, declared):
        versions = [str(pin.specifier).removeprefix("==") for pin in pins.get(canonicalize_name(requirement.name), [])]
        assert versions, f"{requirement.name} is not in {name}; run make lock"
        assert all(requirement.specifier.contains(version) for version in versions), (
            f"{requirement} is not met by {versions}; run make lock"
        )


@pytest.mark.parametrize("name", ["constraints.txt", "constraints-dev.txt"])
def test_it_pins_by_hash_and_names_no_place(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    blocks = re.split(r"^(?=[A-Za-z])", text, flags=re.MULTILINE)[1:]
    assert all("--hash=sha256:" in block for block in blocks)
    assert not re.search(r"https?://|file:|--(extra-)?index-url|--find-links|--trusted-host", text)


def test_it_has_the_same_versions_for_running_and_for_development() -> None:
    development = {str(pin) for pins in pinned("constraints-dev.txt").values() for pin in pins}
    assert {str(pin) for pins in pinned("constraints.txt").values() for pin in pins} <= development
