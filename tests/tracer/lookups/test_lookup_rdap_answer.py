import contextlib
import json
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoptrail_tracer.lookups.errors import MalformedAnswerError
from hoptrail_tracer.lookups.rdap_answer import parse_answer
from testbed.registry import sample

ADDRESS = ip_address("192.0.2.9")


def read(name, ip):
    return parse_answer(sample(f"{name}.json"), ip_address(ip))


@pytest.mark.parametrize(
    ("name", "ip", "contacts", "network"),
    [
        ("ripe", "192.0.2.9", [("abuse@isp.example.net", 1), ("abuse-2@isp.example.net", 1)], "192.0.2.0/25"),
        ("arin", "192.0.2.200", [("abuse@hosting.example.com", 1), ("abuse@holder.example.com", 2)], "192.0.2.128/25"),
        ("arin-nested", "2001:db8:2::1", [("abuse@holder.example.com", 2)], "2001:db8:2::/48"),
        ("apnic-irt", "203.0.113.9", [("irt@telco.example.org", 1), ("Abuse@telco.example.org", 1)], "203.0.113.0/26"),
        ("apnic-krnic", "203.0.113.70", [], "203.0.113.64/26"),
        ("apnic-jpnic", "203.0.113.130", [], "203.0.113.128/26"),
        ("registro-br", "203.0.113.200", [("abuse@provedor.example.br", 1)], "203.0.113.192/26"),
        ("lacnic", "198.51.100.9", [("Redes@universidad.example", 1)], "198.51.100.0/25"),
        ("afrinic", "198.51.100.200", [], "198.51.100.128/25"),
    ],
)
def test_answer_of_each_registry_gives_its_abuse_role_alone(name, ip, contacts, network):
    answer = read(name, ip)
    assert list(answer.contacts) == contacts
    assert str(answer.network) == network


@pytest.mark.parametrize(
    ("name", "ip", "hint"),
    [
        ("apnic-krnic", "203.0.113.70", "abuse@isp.example.kr"),
        ("afrinic", "198.51.100.200", "abuse@business.example.za"),
    ],
)
def test_address_in_another_role_is_a_hint_only(name, ip, hint):
    answer = read(name, ip)
    assert hint in answer.hints
    assert answer.contacts == ()


def test_registrys_own_desk_is_not_even_a_hint():
    assert read("apnic-jpnic", "203.0.113.130").hints == ()


def test_answer_names_holder_and_country():
    answer = read("arin", "192.0.2.200")
    assert (answer.organisation, answer.country) == ("Example Hosting Inc.", None)
    assert read("ripe", "192.0.2.9").country == "GB"
    assert read("ripe", "192.0.2.9").organisation == "EXAMPLE-ISP"


def test_range_that_is_no_block_gives_the_block_around_the_address():
    body = json.dumps({"startAddress": "192.0.2.5", "endAddress": "192.0.2.77"}).encode()
    assert str(parse_answer(body, ADDRESS).network) == "192.0.2.8/29"


def test_answer_about_another_network_is_refused():
    with pytest.raises(MalformedAnswerError, match=r"not about 192\.0\.2\.9"):
        read("lacnic", "192.0.2.9")


def test_answer_about_the_other_family_is_refused():
    with pytest.raises(MalformedAnswerError):
        read("arin-nested", "192.0.2.9")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b"\xff\xfe\x00", b"[" * 500_000, b'{"a":' * 200_000,
                                  b'{"startAddress": 5}', b"1" * 5_000])  # fmt: skip
def test_body_that_is_no_rdap_is_refused(body):
    with pytest.raises(MalformedAnswerError):
        parse_answer(body, ADDRESS)


def entity(mail, **more):
    return {"roles": ["abuse"], "vcardArray": ["vcard", [["email", {}, "text", mail]]]} | more


def test_role_in_any_case_counts():
    body = json.dumps({"entities": [entity("a@isp.example", roles=["ABUSE"])]}).encode()
    assert parse_answer(body, ADDRESS).contacts == (("a@isp.example", 1),)


def test_role_far_too_deep_is_not_looked_for():
    nested = entity("deep@isp.example")
    for _ in range(10):
        nested = {"entities": [nested]}
    assert parse_answer(json.dumps(nested).encode(), ADDRESS).contacts == ()


@pytest.mark.parametrize(
    "mail",
    [
        *("a@b", "a b@isp.example", "a@isp.example\r\nBcc: x@y.example", "<a@isp.example>", '"a"@isp.example', "a@[192.0.2.1]"),
        *("a@isp.example, b@isp.example", "postmästare@isp.example", "a..b@isp.example", "@isp.example", "a" * 65 + "@isp.example"),
        *("a@-isp.example", "a@isp.example.", "a@lacnic.net", "x@abuse.ripe.net", "a\x00@isp.example", ""),
    ],
)  # fmt: skip
def test_contact_that_is_no_plain_address_or_a_registrys_is_dropped(mail):
    assert parse_answer(json.dumps({"entities": [entity(mail)]}).encode(), ADDRESS).contacts == ()


def test_contacts_are_few():
    body = json.dumps({"entities": [entity(f"a{n}@isp.example") for n in range(50)]}).encode()
    assert len(parse_answer(body, ADDRESS).contacts) == 3


def test_name_is_kept_to_one_short_line():
    card = ["vcard", [["fn", {}, "text", "Evil\r\nBcc: x\x1b[31m " + "y" * 500]]]
    body = json.dumps({"entities": [{"roles": ["registrant"], "vcardArray": card}]}).encode()
    name = parse_answer(body, ADDRESS).organisation
    assert name.startswith("Evil Bcc: x [31m yyy")
    assert len(name) == 120


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=20)
    | st.sampled_from(["abuse", "email", "a@isp.example"]),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(
            st.sampled_from(
                ["entities", "roles", "vcardArray", "remarks", "description", "startAddress", "endAddress", "name"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=30,
)


@given(JSON)
def test_any_json_is_read_or_refused(value):
    with contextlib.suppress(MalformedAnswerError):
        parse_answer(json.dumps(value).encode(), ADDRESS)
