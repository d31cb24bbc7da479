"""Runs every detector that is installed, each in a process of its own: a broken or slow one stops nothing."""

import multiprocessing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from importlib.metadata import EntryPoint, entry_points
from itertools import islice
from multiprocessing.connection import Connection
from typing import Any, Final

from hoptrail_reports.detectors.finding import Finding, Observations

GROUP: Final = "hoptrail.detectors"
TIME_LIMIT_S: Final = 60.0
FINDINGS_MOST: Final = 1000
"""Of one detector: more are no help to anybody."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What all detectors found, most pressing first, and what is wrong with those that could not finish."""

    findings: tuple[Finding, ...]
    failures: Mapping[str, str]  # by the detector's name


def installed() -> tuple[EntryPoint, ...]:
    """The detectors of all installed packages, ours among them, by name."""
    return tuple(sorted(entry_points(group=GROUP), key=lambda point: point.name))


def run_all(
    seen: Observations,
    detectors: Iterable[EntryPoint],
    *,
    before: Iterable[Finding] = (),
    before_day: date | None = None,
    limit_s: float = TIME_LIMIT_S,
) -> Outcome:
    """Run detectors over the same observations, each for at most `limit_s`.

    A finding that stood among those of `before`, the report of `before_day`, is said with its first day.
    """
    findings: list[Finding] = []
    failures: dict[str, str] = {}
    for point in detectors:
        try:
            findings += _run(point, seen, limit_s)
        except _DetectorError as error:
            failures[point.name] = str(error)
    first = {(one.kind, one.subject): one.since or before_day for one in before}
    known = [_continued(one, first.get((one.kind, one.subject))) for one in findings]
    known.sort(key=lambda one: (-one.score, one.kind, one.subject))
    return Outcome(tuple(known), failures)


def _continued(finding: Finding, first: date | None) -> Finding:
    if first is None or (finding.since is not None and finding.since <= first):
        return finding
    return replace(finding, since=first)


class _DetectorError(Exception):
    """A detector could not finish; the message says why."""


def _run(point: EntryPoint, seen: Observations, limit_s: float) -> list[Finding]:
    # Forked: the observations of a big site are shared with the child, not copied.
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_work, args=(point, seen, theirs), daemon=True)
    child.start()
    theirs.close()
    try:
        if not ours.poll(limit_s):
            raise _DetectorError(f"did not finish in {limit_s:g} s")
        found, error = ours.recv()
    except EOFError:
        child.join()
        raise _DetectorError(f"its process died (exit code {child.exitcode})") from None
    finally:
        child.kill()
        child.join()
        ours.close()
    if error:
        raise _DetectorError(error)
    return list(found)


def _work(point: EntryPoint, seen: Observations, out: Connection) -> None:
    answer: tuple[list[Any], str]
    try:
        found = list(islice(point.load()(seen), FINDINGS_MOST))
        strangers = [one for one in found if not isinstance(one, Finding)]
        answer = ([], f"gave a {type(strangers[0]).__name__}, not a Finding") if strangers else (found, "")
    except BaseException as error:  # noqa: BLE001 - a plug-in may raise anything
        answer = [], f"{type(error).__name__}: {error}"
    out.send(answer)
