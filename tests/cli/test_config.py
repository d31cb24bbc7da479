"""One TOML file: what it may say, and what is said of a wrong one."""

from dataclasses import fields

import pytest

from hoptrail.config import SECTIONS, Config, ConfigError, every_option, parse_config
from hoptrail.sample import format_config, sample


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, "hoptrail.toml")
    return list(caught.value.problems)


def test_an_empty_file_has_every_default():
    assert parse_config("", "x") == Config()


def test_values_arrive_in_their_types():
    config = parse_config(
        '[site]\nnetworks = ["192.0.2.0/24"]\n[store]\nkeep_days = 7\nlock_wait_s = 2\nsync = "commit"\n'
        "[lookups]\ncymru = true\n",
        "x",
    )
    assert config.site.networks == ("192.0.2.0/24",)
    assert (config.store.keep_days, config.store.lock_wait_s, config.store.sync) == (7, 2.0, "commit")
    assert isinstance(config.store.lock_wait_s, float)
    assert config.lookups.cymru is True


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[store]\npth = 'x'", "hoptrail.toml:2: [store] pth: no such option; did you mean path?"),
        ("[store]\n\nspamd = ''", "hoptrail.toml:3: [store] spamd: no such option; this one belongs to [score]"),
        ("[stor]\npath = 'x'", "hoptrail.toml:1: [stor]: no such section; did you mean store?"),
        ("path = 'x'", "hoptrail.toml:1: path: every option stands in a section; this one belongs to [store]"),
        ("store = 1", "hoptrail.toml:1: store: every option stands in a section"),
        ("[[store]]\npath = 'x'", "hoptrail.toml:1: store: every option stands in a section"),
        ("[store]\npath = ''", "[store] path: write the whole path, from / on"),
        ("[store]\nkeep_days = -1", "[store] keep_days: -1 is too little, 0 is the least"),
        ("[store]\nlock_wait_s = 61.0", "[store] lock_wait_s: 61.0 is too much, 60 is the most"),
        ("[store]\nkeep_days = '7'", "[store] keep_days: write a whole number, not '7'"),
        ("[store]\nkeep_days = 7.5", "[store] keep_days: write a whole number, not 7.5"),
        ("[store]\nkeep_days = true", "[store] keep_days: write a whole number, not True"),
        ("[store]\nlock_wait_s = nan", "[store] lock_wait_s: write a number, not nan"),
        ("[store]\npath = 5", '[store] path: write a string, "...", not 5'),
        ("[store]\nsync = 'never'", "[store] sync: 'never' is none of 'commit', 'checkpoint'"),
        ("[lookups]\ncymru = 1", "[lookups] cymru: write true or false, not 1"),
        ("[site]\nhosts = 'a'", "[site] hosts: write a list of strings, [\"...\"], not 'a'"),
        ("[site]\nhosts = [1]", "[site] hosts: write a list of strings"),
        ("[site]\nnetworks = ['192.0.2.0/40']", "hoptrail.toml:2: [site] networks: '192.0.2.0/40'"),
        (
            "[site]\nhostname = 'mx_1.exa mple'",
            "hoptrail.toml:2: [site] hostname: 'mx_1.exa mple' is no host name: write",
        ),
        ("[site]\nhostname = '192.0.2.1'", "[site] hostname: '192.0.2.1' is no host name"),
        ("[site]\ndomains = ['exa mple']", "[site] domains: 'exa mple' is no domain: write it as in 'example.org'"),
        (
            "[site]\nnetworks = ['10.0.0.1/8']",
            "[site] networks: '10.0.0.1/8' is one host and a whole network: write 10.0.0.0/8, or 10.0.0.1",
        ),
        ("[site]\nmsas = ['!2001:db8::1/32']", "write 2001:db8::/32, or 2001:db8::1 for the one host"),
        ("[milter]\nsocket = 'here'", "hoptrail.toml:2: [milter] socket: 'here': write unix:/path"),
        ("store.pth = 'x'", "hoptrail.toml:1: [store] pth: no such option"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text, said):
    [problem] = problems(text)
    assert said in problem


def test_every_problem_is_said_at_once():
    found = problems("[store]\na = 1\nkeep_days = -1\n[nowhere]\nb = 2\n[site]\nhosts = 1\n")
    assert [problem.split(": ")[0] for problem in found] == [f"hoptrail.toml:{line}" for line in (2, 3, 4, 7)]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[store]\npath = \n", "hoptrail.toml:2: not TOML"),
        ("[store]\npath = 'a'\npath = 'b'\n", "hoptrail.toml:3: not TOML"),
        ("[store\n", "hoptrail.toml:1: not TOML"),
        ("[site]\nhosts = [\n'a'\n", "hoptrail.toml:4: not TOML"),
    ],
)
def test_what_is_no_toml_is_said_with_its_line(text, place):
    assert problems(text)[0].startswith(place)


def test_a_key_in_a_list_of_many_lines_does_not_mislead():
    text = "[site]\nhosts = [\n  'a.example.org', # path = 1\n]\n[store]\npath = 1\n"
    assert problems(text)[0].startswith("hoptrail.toml:6:")


@pytest.mark.parametrize("section", SECTIONS)
def test_every_default_passes_its_own_checks(section):
    text = format_config(Config())
    assert f"[{section}]" in text


def test_the_defaults_written_out_are_read_as_the_defaults():
    text = "\n".join(line for line in format_config(Config()).splitlines() if line != 'socket = ""')
    assert parse_config(text, "x") == Config()


def test_the_sample_changes_nothing():
    assert parse_config(sample(), "x") == Config()


def test_every_example_and_default_in_the_sample_is_valid():
    lines = sample().splitlines()
    options = []
    for line in lines:
        if line.startswith("["):
            options.append(line)
        elif line.startswith("# Example: "):
            options.append(line.removeprefix("# Example: "))
        elif line.startswith("#") and not line.startswith("# ") and line[1:].partition(" = ")[0] not in options[-1]:
            options.append(line[1:])
    text = "\n".join(option for option in options if not option.startswith(("socket_group", "mmdb", "tls_ca")))
    parse_config(text, "sample")


def test_the_sample_holds_every_option():
    text = sample()
    for _, _, option in every_option():
        assert f"\n#{option.name} = " in text


def test_every_option_is_explained_in_a_sentence():
    for section, _, option in every_option():
        assert option.metadata["text"].rstrip().endswith("."), f"[{section}] {option.name}"


def test_sections_are_frozen():
    assert all(settings.__dataclass_params__.frozen for settings in SECTIONS.values())
    assert [section.name for section in fields(Config)] == list(SECTIONS)


def test_check_says_good_of_a_good_file(hoptrail, tmp_path):
    (tmp_path / "good.toml").write_text("[store]\nkeep_days = 3\n")
    done = hoptrail("config", "check", tmp_path / "good.toml")
    assert (done.code, done.out) == (0, f"{tmp_path}/good.toml: good\n")


def test_check_refuses_a_bad_file(hoptrail, tmp_path):
    (tmp_path / "bad.toml").write_text("[store]\nkeep_days = 'x'\na = 1\n")
    done = hoptrail("config", "check", tmp_path / "bad.toml")
    assert (done.code, done.out) == (2, "")
    assert [line.split(": ")[1] for line in done.err.splitlines()] == [f"{tmp_path}/bad.toml:{line}" for line in (2, 3)]


def test_check_without_any_file_says_where_to_begin(hoptrail):
    done = hoptrail("config", "check")
    assert done.code == 2
    assert "hoptrail config show --sample" in done.err


@pytest.mark.parametrize("kind", ["absent", "folder", "binary", "long", "open to all"])
def test_a_file_that_cannot_be_taken_is_refused(hoptrail, tmp_path, kind):
    path = tmp_path / "hoptrail.toml"
    if kind == "folder":
        path.mkdir()
    elif kind == "binary":
        path.write_bytes(b"[store]\npath = '\xff'\n")
    elif kind == "long":
        path.write_bytes(b"#" * (1 << 21))
    elif kind == "open to all":
        path.write_text("")
        path.chmod(0o666)
    done = hoptrail("config", "check", path)
    assert done.code == 2
    assert str(path) in done.err


def test_the_environment_names_the_file(hoptrail, tmp_path, monkeypatch):
    (tmp_path / "other.toml").write_text("[store]\nkeep_days = 3\n")
    monkeypatch.setenv("HOPTRAIL_CONFIG", str(tmp_path / "other.toml"))
    assert "keep_days = 3\n" in hoptrail("config", "show").out
    assert "keep_days = 400\n" in hoptrail("config", "show", "--defaults").out


def test_the_file_given_goes_before_the_environment(hoptrail, tmp_path, monkeypatch):
    (tmp_path / "given.toml").write_text("[store]\nkeep_days = 3\n")
    monkeypatch.setenv("HOPTRAIL_CONFIG", str(tmp_path / "absent.toml"))
    assert "keep_days = 3\n" in hoptrail("config", "show", "--config", tmp_path / "given.toml").out
