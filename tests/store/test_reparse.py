"""Old mail is traced by what the parser and the site say now."""

from dataclasses import replace

from hoptrail_store.reader import day_span, open_readonly
from hoptrail_store.reparse import reparse, trace_again
from hoptrail_store.store import Store
from hoptrail_tracer.model import Trace
from hoptrail_tracer.settings import SiteSettings
from store.samples import DAY

LINE = (
    b"from a.example.net (a.example.net [203.0.113.7])\n\tby inner.example.org (Postfix) with ESMTP id 1A;\n\t"
    b"Sat, 14 Mar 2026 09:26:50 +0000"
)


def test_a_trace_that_differs_is_replaced_with_its_rows(settings, make_record):
    old = make_record(fields=((b"Received", LINE),), connection=None)
    site = SiteSettings(networks=("203.0.113.0/24",))
    with Store.open(settings) as store:
        store.put([old, make_record(1)])
        result = reparse(store, site)
        assert (result.messages, result.changed) == (2, 2)
        again = reparse(store, site)
        assert (again.messages, again.changed) == (2, 0)
    with open_readonly(settings.path) as reader:
        new, _ = reader.messages(*day_span(DAY.date()))
        hops = list(reader.db.query("SELECT * FROM hop_named WHERE id = ?", [old.id]))
    assert new == replace(old, trace=trace_again(old, site), evidence=None)
    assert [hop["by_name"] for hop in hops] == ["inner.example.org"]
    assert isinstance(new.trace, Trace)
