"""A trace as a picture: one row a hop, newest first, with what each is worth and how long it took."""

from dataclasses import dataclass

from hoptrail_reports.shown import duration
from hoptrail_tracer.model import Hop, Trace

MOST_HOPS = 60
_BAR_PX = 160


@dataclass(frozen=True, slots=True)
class DrawnHop:
    """One row. Texts come from the mail; `bar_px` is the delay, on one scale for the whole trace."""

    number: int
    trust: str
    kind: str
    client: str
    ip: str | None
    writer: str
    software: str | None
    at: str
    delay: str
    bar_px: int
    backwards: bool
    reasons: tuple[str, ...]
    anomalies: tuple[str, ...]
    is_origin: bool


def drawn_hops(trace: Trace) -> tuple[DrawnHop, ...]:
    """The rows of a trace."""
    hops = trace.hops[:MOST_HOPS]
    longest = max((abs(hop.delay_s) for hop in hops if hop.delay_s is not None), default=0)
    return tuple(_drawn(trace, index, hop, longest) for index, hop in enumerate(hops))


def _drawn(trace: Trace, index: int, hop: Hop, longest: float) -> DrawnHop:
    said = hop.received
    return DrawnHop(
        number=len(trace.hops) - index,
        trust=str(hop.trust),
        kind=str(said.kind),
        client=said.rdns or said.helo or said.ip or "unknown",
        ip=said.ip,
        writer=said.by or said.by_ip or "unknown",
        software=said.software,
        at=f"{said.date:%Y-%m-%d %H:%M:%S %z}" if said.date else "no date",
        delay=duration(hop.delay_s) if hop.delay_s is not None else "",
        bar_px=round(_BAR_PX * abs(hop.delay_s) / longest) if hop.delay_s and longest else 0,
        backwards=hop.delay_s is not None and hop.delay_s < 0,
        reasons=hop.reasons,
        anomalies=tuple(anomaly.text for anomaly in trace.anomalies if anomaly.hop == index),
        is_origin=trace.origin.hop == index,
    )
