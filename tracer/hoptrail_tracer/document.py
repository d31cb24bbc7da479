r"""A trace as plain values for JSON, and as one line of it; docs/trace.schema.json is the schema.

Text from outside may hold surrogates, which stand for undecodable bytes, and control characters. JSON's own escapes
(`\udc80`, `\u001b`) carry both, so a line of JSON is ASCII whatever the mail held.
"""

import json
from dataclasses import asdict
from typing import Any

from hoptrail_tracer.model import Anomaly, Hop, Origin, Trace
from hoptrail_tracer.transcript import Found

Document = dict[str, Any]


def trace_document(trace: Trace) -> Document:
    """A trace in the shape of docs/trace.schema.json: newest hop first, absent values None."""
    return {
        "origin": _origin(trace.origin),
        "hops": [_hop(hop) for hop in trace.hops],
        "anomalies": [_anomaly(anomaly) for anomaly in trace.anomalies],
        "deeper": None if trace.deeper is None else _origin(trace.deeper),
        "inferred": trace.inferred,
    }


def found_document(found: Found | None) -> Document:
    """What look-ups told of the origin, to stand beside a trace: `facts` and `contacts`, None where not asked."""
    if found is None:
        return {"facts": None, "contacts": None}
    facts = asdict(found.facts)
    facts["missing"] = [{"what": what, "why": why} for what, why in found.facts.missing]
    return {"facts": facts, "contacts": None if found.contacts is None else asdict(found.contacts)}


def format_document(document: Document) -> str:
    """One line of JSON, in ASCII."""
    return json.dumps(document, separators=(",", ":"))


def _origin(origin: Origin) -> Document:
    return {
        "ip": origin.ip,
        "name": origin.name,
        "class": origin.trust.value,
        "confidence": origin.confidence,
        "basis": origin.basis,
        "reasons": list(origin.reasons),
        "hop": origin.hop,
    }


def _hop(hop: Hop) -> Document:
    said = hop.received
    return {
        "line": hop.line,
        "status": said.status,
        "kind": said.kind.value,
        "skipped": said.reason,
        "ip": said.ip,
        "port": said.port,
        "rdns": said.rdns,
        "helo": said.helo,
        "ident": said.ident,
        "by": said.by,
        "by_ip": said.by_ip,
        "software": said.software,
        "id": said.id,
        "auth": said.auth,
        "envelope_from": said.envelope_from,
        "for": said.for_,
        "protocol": said.protocol,
        "tls": said.tls,
        "date": None if said.date is None else said.date.isoformat(),
        "delay_s": hop.delay_s,
        "trust": hop.trust.value,
        "reasons": list(hop.reasons),
    }


def _anomaly(anomaly: Anomaly) -> Document:
    return {"code": anomaly.code, "hop": anomaly.hop, "text": anomaly.text, "weight": anomaly.weight}
