"""The m4 fragment: m4 and Sendmail take it, and mail passes a milter attached with nothing else."""

import pytest

from testbed.daemon import delivered, running_daemon, send, unfolded
from testbed.places import TOP, private_folder
from testbed.sendmail import Sendmail

pytestmark = pytest.mark.mta

LINES = (TOP / "contrib/sendmail/hoptrail.m4").read_text(encoding="utf-8")
SOCKET = "/run/hoptrail/milter.sock"


@pytest.fixture(scope="module")
def socket():
    with private_folder("sm") as folder:
        yield folder / "milter.sock"


@pytest.fixture(scope="module")
def sendmail(socket):
    """Sendmail with the fragment; only the place of the socket is changed, which a host may use for its own."""
    assert LINES.count(f"S=unix:{SOCKET}") == 1
    with Sendmail(mc=LINES.replace(f"S=unix:{SOCKET}", f"S=unix:{socket}")) as mta:
        yield mta


def test_fragment_defines_the_filter_with_its_timeouts(sendmail):
    shown = (sendmail.machine.etc / "mail/sendmail.cf").read_text(encoding="utf-8")
    [line] = [line for line in shown.splitlines() if line.startswith("Xhoptrail")]
    assert line.endswith("T=C:5s;S:10s;R:10s;E:1m")
    assert "O InputMailFilters=hoptrail" in shown


def test_message_gets_its_fields(sendmail, socket):
    with running_daemon(milter={"socket": f"unix:{socket}", "socket_mode": "0660"}) as daemon:
        with sendmail.smtp() as client:
            client.ehlo("client.example.net")
            sent = send(client)
        assert "x-hoptrail-id" in unfolded(delivered(sendmail, sent))
        [[queue_id]] = daemon.rows("SELECT queue_id FROM client")
    lines = sendmail.log().splitlines()
    session = next(line.partition("]")[0].rpartition("[")[2] for line in lines if queue_id in line)
    assert not [line for line in lines if f"[{session}]" in line and "unsafe" in line]


def test_mail_flows_where_no_daemon_runs(sendmail, socket):
    socket.unlink(missing_ok=True)
    with sendmail.smtp() as client:
        client.ehlo("client.example.net")
        sent = send(client)
    assert "x-hoptrail-id" not in unfolded(delivered(sendmail, sent))
