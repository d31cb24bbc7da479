"""Where the review page listens and who may see it."""

from dataclasses import dataclass

from hoptrail_tracer.options import option
from hoptrail_web.endpoint import check_listening


@dataclass(frozen=True, slots=True)
class WebSettings:
    """[web]: `hoptrail web`, the page on which drafts are reviewed."""

    listen: str = option(
        "127.0.0.1:8425",
        "Where the page is: a port of a loopback address, or unix:/PATH for a socket that its group may use.",
        check=check_listening,
    )
    token_file: str = option(
        "/var/lib/hoptrail/web.token",
        "Whoever can read this file can log in. It is made at the first start; delete it to end all sessions.",
    )
    session_hours: int = option(12, "Hours after which a session ends.", at_least=1, at_most=720)
    hosts: tuple[str, ...] = option(
        (),
        "Names under which a reverse proxy on this host shows the page, besides localhost.",
        example='["mail.example.org"]',
    )
