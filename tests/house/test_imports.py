"""Imports point down only: tracer <- store <- milter, reports <- web <- cli."""

import ast
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]

ROOTS = {
    "hoptrail_tracer": TOP / "tracer",
    "hoptrail_store": TOP / "store",
    "hoptrail_milter": TOP / "milter",
    "hoptrail_reports": TOP / "reports",
    "hoptrail_web": TOP / "web",
    "hoptrail": TOP / "cli",
}
MAY_IMPORT = {
    "hoptrail_tracer": set(),
    "hoptrail_store": {"hoptrail_tracer"},
    "hoptrail_milter": {"hoptrail_tracer", "hoptrail_store"},
    "hoptrail_reports": {"hoptrail_tracer", "hoptrail_store"},
    "hoptrail_web": {"hoptrail_tracer", "hoptrail_store", "hoptrail_reports"},
    "hoptrail": {"hoptrail_tracer", "hoptrail_store", "hoptrail_milter", "hoptrail_reports", "hoptrail_web"},
}


def modules(package: str) -> list[Path]:
    return sorted((ROOTS[package] / package).rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Top-level names of every package that a module imports anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add((node.module or "").partition(".")[0])
    return found


@pytest.mark.parametrize("package", ROOTS)
def test_package_imports_only_what_lies_below_it(package):
    ours = set(ROOTS)
    for path in modules(package):
        above = (imports(path) & ours) - MAY_IMPORT[package] - {package}
        assert not above, f"{path.relative_to(TOP)} imports {above}"


def test_every_package_has_modules_to_look_at():
    for package in ROOTS:
        assert len(modules(package)) > 1


def test_tracer_outside_its_lookups_needs_the_standard_library_only():
    lookups = TOP / "tracer/hoptrail_tracer/lookups"
    for path in modules("hoptrail_tracer"):
        if lookups in path.parents:
            continue
        foreign = imports(path) - set(sys.stdlib_module_names) - {"hoptrail_tracer"}
        assert not foreign, f"{path.relative_to(TOP)} imports {foreign}"


def test_the_tracers_core_does_not_import_the_lookups():
    lookups = TOP / "tracer/hoptrail_tracer/lookups"
    for path in modules("hoptrail_tracer"):
        if lookups not in path.parents:
            assert "hoptrail_tracer.lookups" not in path.read_text(encoding="utf-8"), path


def test_one_file_alone_imports_pymilter():
    users = [path for package in ROOTS for path in modules(package) if imports(path) & {"Milter", "milter"}]
    assert [path.name for path in users] == ["callbacks.py"]
    assert "milter" not in imports(users[0])


def test_the_milter_folder_does_not_shadow_pymilters_extension():
    assert not (TOP / "milter/__init__.py").exists()
