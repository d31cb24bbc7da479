from dataclasses import fields

import pytest

from hoptrail_milter.endpoint import Endpoint, parse_endpoint
from hoptrail_milter.settings import MilterSettings, ScoreSettings


def check(settings, name, value):
    option = next(field for field in fields(settings) if field.name == name)
    option.metadata["check"](value)


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("unix:/run/hoptrail/milter.sock", Endpoint("unix", path="/run/hoptrail/milter.sock")),
        ("inet:8891@127.0.0.1", Endpoint("inet", host="127.0.0.1", port=8891)),
        ("inet6:8891@::1", Endpoint("inet6", host="::1", port=8891)),
        ("tls:783@spamd.example.org", Endpoint("tls", host="spamd.example.org", port=783)),
    ],
)
def test_endpoint_is_read_and_written_alike(text, endpoint):
    assert parse_endpoint(text) == endpoint
    assert str(endpoint) == text


@pytest.mark.parametrize("text", ["", "milter.sock", "unix:run/x", "inet:8891", "inet:0@h", "inet:99999@h", "x:1@h"])
def test_endpoint_that_cannot_be_is_refused_with_the_remedy(text):
    with pytest.raises(ValueError, match="write"):
        parse_endpoint(text)


def test_unix_path_longer_than_the_kernel_takes_is_refused():
    with pytest.raises(ValueError, match="107 bytes"):
        parse_endpoint("unix:/" + "x" * 107)


@pytest.mark.parametrize(
    ("settings", "name", "value"),
    [
        (MilterSettings, "socket", ""),
        (MilterSettings, "socket", "tls:1@h"),
        (MilterSettings, "socket_mode", "rw"),
        (MilterSettings, "socket_mode", "1777"),
        (MilterSettings, "socket_group", "no such group"),
        (MilterSettings, "status", "tls:1@h"),
        (ScoreSettings, "spamd", "783"),
        (ScoreSettings, "skip_networks", ["192.0.2.1/24"]),
    ],
)
def test_bad_value_is_refused(settings, name, value):
    with pytest.raises(ValueError):  # noqa: PT011 - each has its own words
        check(settings, name, value)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        (kind, field.name)
        for kind in (MilterSettings, ScoreSettings)
        for field in fields(kind)
        if field.metadata["check"]
    ],
)
def test_defaults_pass_their_own_check(settings, name):
    check(settings, name, getattr(settings(), name))
