"""What is shipped: the wheel holds the packages with their data and the recipes, the sdist the whole house."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]


def tracked(*patterns: str) -> set[str]:
    listed = subprocess.run(["git", "ls-files", "--", *patterns], cwd=TOP, check=True, capture_output=True, text=True)
    return set(listed.stdout.split())


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A folder with one wheel and one sdist, built from a clean export of what is tracked."""
    out = tmp_path_factory.mktemp("dist")
    source = tmp_path_factory.mktemp("source")
    archive = subprocess.run(
        ["sh", "-c", "git ls-files -z | tar --null --files-from=- --create"], cwd=TOP, check=True, capture_output=True
    )
    subprocess.run(["tar", "-x", "-C", source], check=True, input=archive.stdout)
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", out, source], check=True, capture_output=True
    )
    return out


@pytest.fixture(scope="module")
def wheel(built) -> set[str]:
    [path] = built.glob("*.whl")
    return set(zipfile.ZipFile(path).namelist())


@pytest.fixture(scope="module")
def sdist(built) -> set[str]:
    [path] = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


@pytest.mark.parametrize("root", ["cli", "milter", "tracer", "store", "reports", "web"])
def test_wheel_holds_every_tracked_file_of_each_package(wheel, root):
    expected = {name.partition("/")[2] for name in tracked(root)}
    assert expected
    assert expected <= wheel


@pytest.mark.parametrize("folder", ["procmail", "contrib"])
def test_wheel_holds_recipes_and_contrib_under_share(wheel, folder):
    shipped = {name.partition("/share/hoptrail/")[2] for name in wheel if "/share/hoptrail/" in name}
    expected = tracked(folder)
    assert expected
    assert expected <= shipped


def test_wheel_holds_each_manual_page_where_man_looks_for_it(wheel):
    shipped = {name.partition("/share/man/")[2] for name in wheel if "/share/man/" in name}
    pages = {Path(name).stem for name in tracked("docs/man/*.md")}
    assert pages
    assert shipped == {f"man{page[-1]}/{page}" for page in pages}


def test_wheel_holds_no_top_level_name_that_shadows_another_package(wheel):
    tops = {name.partition("/")[0] for name in wheel}
    packages = {top for top in tops if "." not in top}
    assert packages == {
        "hoptrail",
        "hoptrail_milter",
        "hoptrail_tracer",
        "hoptrail_store",
        "hoptrail_reports",
        "hoptrail_web",
    }


def test_wheel_declares_the_hoptrail_command(built):
    [path] = built.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        [points] = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
        assert "hoptrail = hoptrail.main:main" in archive.read(points).decode()


@pytest.mark.parametrize("folder", ["procmail", "contrib", "docs", "tests", "bench", "cli", "milter", "tracer"])
def test_sdist_holds_every_tracked_file(sdist, folder):
    assert tracked(folder) <= sdist
