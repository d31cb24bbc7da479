"""What a client calls itself is its own choice: an address in it is never the peer's."""

import pytest

from hoptrail_tracer.received import parse

DATE = "; Fri, 20 Nov 2026 21:49:18 +0000"


@pytest.mark.parametrize(
    "word", ["[203.0.113.9]", "203.0.113.9", "[IPv6:::ffff:203.0.113.9]", "a?[203.0.113.9]?", "203.0.113.9.example"]
)
@pytest.mark.parametrize(
    "line",
    [
        "from unknown (HELO {}) (192.0.2.7) by mx.example.org with SMTP",
        "from unknown (HELO {}) (x@198.51.100.3@192.0.2.7) by mx.example.org with SMTP",
        "from host.example (EHLO {}) ([192.0.2.7]) by mx.example.org with ESMTP",
        "from [192.0.2.7] (helo={}) by mx.example.org with esmtp (Exim 4.96) id 1A-1",
        "from [192.0.2.7] (helo={}) by mx.example.org with esmtp (Exim 4.96) (envelope-from <x@[203.0.113.9]>) id 1A-1",
        "from host.example ([192.0.2.7] helo={} ident=203.0.113.9) by mx.example.org with smtp (Exim 4.96) id 1B-1",
        "from {} (host.example [192.0.2.7]) by mx.example.org (Postfix) with ESMTP id A1",
        "from {} (IDENT:203.0.113.9@host.example [192.0.2.7]) by mx.example.org (8.9.3/8.9.3) with SMTP id A1",
    ],
)
def test_address_in_a_greeting_is_never_the_peer(line, word):
    assert parse(line.format(word) + DATE).ip == "192.0.2.7"
