"""The habits of mail software: what its ids look like, the time in them, and the shape of its lines."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from hoptrail_tracer import fingerprint
from hoptrail_tracer.received import parse
from tracer.trust import composer
from tracer.trust.composer import Host

BY = Host("192.0.2.1", "mx.example.org")
DATE = datetime(2025, 3, 1, 12, 0, 30, tzinfo=UTC)


def id_time(said):
    return datetime.fromtimestamp(fingerprint.read_id(said, fingerprint.mark_of(said.software))[1], UTC)


@pytest.mark.parametrize("style", composer.STYLES)
def test_real_shapes_fit_their_software(style):
    random = Random(1)
    for _ in range(50):
        said = parse(style(random, composer.stranger(random), BY, DATE))
        assert fingerprint.id_fits(said) is not False
        mark = fingerprint.mark_of(said.software)
        assert mark is None or mark.spells is None or said.protocol is None or mark.spells(said.protocol)


@pytest.mark.parametrize("style", [composer.sendmail, composer.exim])
def test_time_in_an_id_is_the_line_s(style):
    said = parse(style(Random(1), Host("203.0.113.5", "x.example"), BY, DATE))
    assert id_time(said) == DATE


def test_time_in_a_google_id_is_pacific():
    google = composer.google(Random(1), Host("203.0.113.5", "x.example"), Host("192.0.2.1", "mx.google.com"), DATE)
    assert abs(id_time(parse(google)) - DATE) <= timedelta(hours=1)


@pytest.mark.parametrize(
    ("queue_id", "date"),
    [
        ("g7MBYrZ04811", datetime(2002, 8, 22, 11, 34, 53, tzinfo=UTC)),
        ("6AKCx0Xa012345", datetime(2026, 11, 20, 12, 59, 0, tzinfo=UTC)),
    ],
)
def test_time_in_a_sendmail_id_tells_the_century(queue_id, date):
    said = parse(
        f"from x (x [203.0.113.5]) by mx.example.org (8.15.2/8.15.2) with ESMTP id {queue_id}; Sat, 1 Mar 2025 12:00:00 +0000"
    )
    assert id_time(said) == date


def test_software_that_is_not_known_is_never_held_against_a_line():
    said = parse(
        "from x (x [203.0.113.5]) by mx.example.org (FooMail 1.0) with weird id ???; Sat, 1 Mar 2025 12:00:00 +0000"
    )
    assert fingerprint.id_fits(said) is None
    assert fingerprint.mark_of(said.software) is None
    assert fingerprint.read_id(said, None) == (None, None)


@pytest.mark.parametrize("style", composer.STYLES)
def test_shape_depends_on_the_host_and_not_on_its_clients(style):
    random = Random(1)
    shapes = [fingerprint.shape(parse(style(random, composer.stranger(random), BY, DATE))) for _ in range(200)]
    usual = {shape for shape in shapes if shapes.count(shape) > 5}
    assert len(usual) <= 2  # Postfix and Exim have ids of two kinds


def test_shapes_of_different_software_differ():
    random = Random(1)
    client = Host("203.0.113.5", "x.example")
    assert len({fingerprint.shape(parse(style(random, client, BY, DATE))) for style in composer.STYLES}) == len(
        composer.STYLES
    )


def test_shape_outlives_an_upgrade():
    line = "from x (x [203.0.113.5]) by mx.example.org ({0}/{0}) with ESMTP id 521Bx0Xa012345; Sat, 1 Mar 2025 12:00:00 +0000"
    assert fingerprint.shape(parse(line.format("8.15.2"))) == fingerprint.shape(parse(line.format("8.17.1")))
