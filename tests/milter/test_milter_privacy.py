"""Mail that passes the milter leaves nobody's name in the store's files where the site wants that."""

import pytest

from testbed.daemon import delivered, running_daemon, send, unfolded
from testbed.postfix import Postfix

pytestmark = pytest.mark.mta

HEAD = (
    b"Received: from dsl-198-51-100-7.isp.example ([198.51.100.7]) (Authenticated sender: carla.client)\r\n"
    b"\tby relay.example.net with ESMTPA for <alice@example.test>; Mon, 04 May 2026 12:00:00 +0000\r\n"
    b"Subject: Dear alice at 198.51.100.7\r\n"
)


def test_nothing_of_people_reaches_the_stores_files(tmp_path):
    key = tmp_path / "key"
    key.write_bytes(b"k" * 32)
    store = {"hash_local_parts": "at-once", "truncate_addresses": "at-once", "hash_key_file": str(key)}
    with running_daemon(store=store) as daemon, Postfix(milters=[daemon.socket]) as mta:
        with mta.smtp() as smtp:
            smtp.ehlo()
            smtp.docmd("XCLIENT ADDR=203.0.113.9 NAME=dsl-203-0-113-9.isp.example HELO=client.example.net")
            sent = send(smtp, HEAD, sender="<carla.client@example.net>")
        [row] = daemon.rows("SELECT * FROM message")
        content = b"".join(path.read_bytes() for path in daemon.store.parent.rglob("*") if path.is_file())
        origin = unfolded(delivered(mta, sent))["x-hoptrail-origin"][0]
    assert row["envelope_from"].endswith("@example.net")
    people = [b"alice", b"carla", b"Dear", b"198.51.100.7", b"198-51-100-7", b"203.0.113.9", b"203-0-113-9"]
    assert [word for word in people if word in content] == []
    assert "; ip=203.0.113.9; name=dsl-203-0-113-9.isp.example;" in origin  # the recipient's own copy says it
