"""Hoptrail among other milters: what those before it added it sees, what those after it sign covers its fields."""

import re
import sys
from contextlib import contextmanager

import pytest

from hoptrail_store.reader import open_readonly
from testbed.daemon import delivered, running_daemon, send, unfolded, wait_until_stored
from testbed.places import private_folder
from testbed.postfix import Postfix
from testbed.sendmail import Sendmail
from testbed.service import Service

pytestmark = pytest.mark.mta

# As opendkim does: verifies by an Authentication-Results on top, signs by a field that names the fields it covers.
NEIGHBOUR = """
import sys
import os
import Milter

os.umask(0)

class Neighbour(Milter.Base):
    def envfrom(self, *args):
        self.names = []
        return Milter.CONTINUE

    def header(self, name, value):
        self.names.append(name)
        return Milter.CONTINUE

    def eom(self):
        self.addheader("Authentication-Results", "mx.example.test; dkim=pass header.d=" + sys.argv[2], 0)
        self.addheader("X-Signed", ",".join(self.names), 0)
        return Milter.CONTINUE

Milter.factory = Neighbour
Milter.set_flags(Milter.ADDHDRS)
Milter.runmilter(sys.argv[2], sys.argv[1], timeout=30)
"""


@contextmanager
def neighbour(folder, name):
    """A milter of somebody else; its socket."""
    path = folder / f"{name}.sock"
    service = Service([sys.executable, "-c", NEIGHBOUR, f"unix:{path}", name], log=folder / f"{name}.log")
    try:
        service.wait_until(path.exists, "the other milter")
        yield f"unix:{path}"
    finally:
        service.kill()  # libmilter takes seconds to stop


@pytest.fixture(scope="module", params=[Postfix, Sendmail], ids=lambda kind: kind.name)
def beds(request):
    with (
        private_folder("chain") as folder,
        neighbour(folder, "before.example") as before,
        neighbour(folder, "after.example") as after,
        running_daemon() as daemon,
        request.param(milters=[before, daemon.socket, after]) as mta,
    ):
        with mta.smtp() as smtp:
            sent = send(smtp, b"X-Hoptrail-Id: forged\r\nSubject: x\r\n")
        yield daemon, sent, unfolded(delivered(mta, sent))


def test_fields_of_all_milters_arrive(beds):
    _daemon, sent, fields = beds
    assert sent.code == 250
    assert len(fields["x-hoptrail-id"]) == 1
    found = [re.search(r"header\.d=(\S+)", value)[1] for value in fields["authentication-results"]]
    assert sorted(found) == ["after.example", "before.example"]


def test_result_of_a_verifier_before_it_is_recorded_and_of_one_after_it_is_not(beds):
    daemon, sent, _fields = beds
    wait_until_stored(daemon.settings.store.path)
    with open_readonly(daemon.store) as reader:
        [record] = reader.find(f"<{sent.mark}>")
    kept = [value for name, value in record.fields if name == b"Authentication-Results"]
    assert len(kept) == 1
    assert b"before.example" in kept[0]


def test_signer_after_it_sees_its_fields_and_none_that_it_removed(beds):
    _daemon, _sent, fields = beds
    [after] = [value.split(",") for value in fields["x-signed"] if "X-Hoptrail-Id" in value and "Origin" in value]
    assert after.count("X-Hoptrail-Id") == 1
    [before] = [value.split(",") for value in fields["x-signed"] if "X-Hoptrail-Origin" not in value]
    assert before.count("X-Hoptrail-Id") == 1  # the forged one, which was there then
