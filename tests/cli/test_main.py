"""The command's frame: exit codes, one line for each expected failure, nothing imported that is not needed."""

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from hoptrail.main import COMMANDS, cli

HOPTRAIL = Path(sys.executable).with_name("hoptrail")


def test_version_is_the_packages(hoptrail):
    assert hoptrail("--version").out == f"hoptrail {version('hoptrail')}\n"


def test_help_names_every_command(hoptrail):
    done = hoptrail("--help")
    assert done.code == 0
    for name in COMMANDS:
        assert re.search(rf"^  {name} ", done.out, re.MULTILINE)


def test_every_command_has_a_module_and_its_own_help(hoptrail):
    for name in COMMANDS:
        assert hoptrail(name, "--help").code == 0, name
        assert cli.get_command(None, name).name == name


def test_an_unknown_command_is_misuse(hoptrail):
    done = hoptrail("confg")
    assert (done.code, done.out) == (2, "")
    assert "No such command 'confg'" in done.err


def test_an_unknown_option_is_misuse(hoptrail):
    assert hoptrail("status", "--absent").code == 2


def test_an_expected_failure_is_one_line(hoptrail, tmp_path):
    config = tmp_path / "hoptrail.toml"
    config.write_text(f'[store]\npath = "{tmp_path}/absent/store.sqlite"\n')
    done = hoptrail("status", "--config", config)
    assert (done.code, done.out) == (1, "")
    assert done.err.count("\n") == 1
    assert done.err.startswith(f"hoptrail: {tmp_path}/absent/store.sqlite: ")


def test_a_failure_says_nothing_that_a_terminal_may_act_on(hoptrail, tmp_path):
    done = hoptrail("trace", "--config", tmp_path / "a\x07b\u202ec.toml", tmp_path)
    assert done.code == 2
    assert r"a\x07b\u202ec.toml" in done.err
    assert done.err.strip().isprintable()


def test_a_missing_library_is_named_with_its_extra(hoptrail, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "aiospamc", None)
    monkeypatch.setitem(sys.modules, "hoptrail.commands.status", None)
    monkeypatch.setitem(COMMANDS, "status", type(COMMANDS["status"])("needs_aiospamc", "x"))
    (tmp_path / "needs_aiospamc.py").write_text("import aiospamc\n")
    monkeypatch.setattr("hoptrail.commands.__path__", [str(tmp_path)])
    done = hoptrail("status")
    assert done.code == 1
    assert done.err == "hoptrail: this needs aiospamc: pip install 'hoptrail[score]'\n"


def test_our_own_fault_shows_its_trace(hoptrail, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError("ours")

    monkeypatch.setattr("hoptrail.configured.load_config", fail)
    with pytest.raises(ZeroDivisionError):
        hoptrail("status")


def test_a_reader_that_goes_away_is_no_fault():
    command = f"{HOPTRAIL} config show --sample | head -1"
    done = subprocess.run(["sh", "-c", command], check=True, capture_output=True, text=True)
    assert done.stdout.startswith("# Hoptrail's configuration")
    assert done.stderr == ""


def test_the_frame_loads_no_library_that_a_command_may_not_need():
    code = "import sys; from hoptrail.main import cli; print([m for m in sys.modules if '.' not in m])"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    for library in ("pydantic", "rich", "sqlite_utils", "httpx", "dns", "jinja2", "networkx", "aiospamc", "Milter"):
        assert f"'{library}'" not in loaded


def test_reading_a_configuration_loads_no_library():
    code = "import sys; import hoptrail.config; print([m for m in sys.modules if '.' not in m])"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    for library in ("pydantic", "rich", "sqlite_utils", "httpx", "dns", "jinja2", "networkx", "aiospamc", "Milter"):
        assert f"'{library}'" not in loaded
