import re
from pathlib import Path

import pytest

from hoptrail_tracer.lookups.zones import KNOWN

TEXT = (Path(__file__).resolve().parents[3] / "docs/lookups.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("zone", KNOWN, ids=lambda zone: zone.name)
def test_documented_table_holds_each_code_with_its_weight(zone):
    start = TEXT.index(f"| `{zone.name}`")
    rows = re.findall(r"^\|[^|]*\| ([^|]+) \| ([a-z]+)¹? \| ([-.\d]*) ?\| (.+) \|$", TEXT[start:], re.MULTILINE)
    documented = {pattern: (verdict, weight, text) for pattern, verdict, weight, text in rows[: len(zone.codes)]}
    for code in zone.codes:
        verdict, weight, text = documented[code.pattern]
        assert (verdict, float(weight)) == (code.verdict, code.weight)
        assert text.startswith(code.text)
