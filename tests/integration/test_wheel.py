"""The wheel: it carries everything the product needs when the checkout is not there, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The content of a freshly built wheel, unpacked: what `pip install` puts beside the other packages."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "dist")]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = (folder / "dist").glob("*.whl")
    with ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def files_under(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    }


@pytest.mark.parametrize(
    ("here", "there"),
    [("templates", "digest/_data/templates"), ("config", "digest/_data/config"), ("workers", "workers")],
)
def test_it_carries_templates_configuration_and_workers(installed: Path, here: str, there: str) -> None:
    assert files_under(ROOT / here)
    assert files_under(installed / there) == files_under(ROOT / here)


def test_it_carries_all_of_the_package_with_its_data_files(installed: Path) -> None:
    wanted = {name for name in files_under(ROOT / "digest") if not name.startswith("_data/")}
    carried = {name for name in files_under(installed / "digest") if not name.startswith("_data/")}
    assert carried == wanted
    assert "sources/sample_papers.jsonl" in carried


def test_it_carries_nothing_but_the_product(installed: Path) -> None:
    top = {path.name.partition("-")[0] for path in installed.iterdir()}
    assert top == {"digest", "workers"}


def test_it_finds_its_own_files_when_installed_elsewhere(installed: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import digest.settings as s, digest.db.schema\n"
        "assert str(s.data_root()).startswith(sys.argv[1]), s.data_root()\n"
        "print(s.load(environ={}).sources, s.data_root().joinpath('templates').is_dir())"
    )
    run = [sys.executable, "-I", "-c", code, str(installed)]
    done = subprocess.run(run, cwd=installed, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "('huggingface',) True\n"
