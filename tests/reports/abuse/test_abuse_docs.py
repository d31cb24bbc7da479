import re
from pathlib import Path
from typing import get_args

import click
import pytest

from hoptrail.commands import abuse
from hoptrail_reports.abuse import reportable
from hoptrail_reports.abuse.answer import Kind
from hoptrail_reports.abuse.forms import FORMS, written
from hoptrail_reports.abuse.ledger import DraftState
from reports.abuse.samples import report

TOP = Path(__file__).parents[3]


def test_every_objection_is_documented_and_no_other():
    codes = set(re.findall(r'Objection\(\s*"([a-z-]+)"', Path(reportable.__file__).read_text()))
    codes |= set(re.findall(r'\("([a-z-]+)", court\.', Path(reportable.__file__).read_text()))
    section = (TOP / "docs/abuse.md").read_text().split("## Objections")[1].split("##")[0]
    assert set(re.findall(r"^\| `([a-z-]+)` \|", section, re.MULTILINE)) == codes


@pytest.mark.parametrize(
    ("states", "title"), [(get_args(DraftState), "## Review"), (get_args(Kind), "## What comes back")]
)
def test_every_state_and_kind_is_documented(states, title):
    section = (TOP / "docs/abuse.md").read_text().split(title)[1].split("\n## ")[0]
    assert [state for state in states if f"`{state}`" not in section] == []


@pytest.mark.parametrize("form", FORMS)
def test_sample_in_the_docs_is_what_is_written(form):
    made = re.sub(
        rb"Hoptrail([/ ]V?)[0-9.]+", rb"Hoptrail\g<1>VERSION", written(report(), form, sender="reports@example.org")
    )
    made = re.sub(rb"hoptrail-[0-9a-f]{32}", b"hoptrail-BOUNDARY", made)
    path = TOP / f"docs/samples/abuse-{form}.eml"
    if not path.exists() or path.read_bytes() != made:
        path.with_suffix(".eml.new").write_bytes(made)
    assert path.read_bytes() == made
    path.with_suffix(".eml.new").unlink(missing_ok=True)


def test_manual_page_names_every_command_and_option():
    page = (TOP / "docs/man/hoptrail-abuse.1.md").read_text()
    synopsis, options = page.split("## SYNOPSIS")[1].split("## DESCRIPTION")[0], page.split("## OPTIONS")[1]
    for name, sub in abuse.command.commands.items():
        line = " ".join(line for line in synopsis.splitlines() if f"hoptrail abuse {name} " in line)
        for parameter in sub.params:
            if isinstance(parameter, click.Option):
                for option in (*parameter.opts, *parameter.secondary_opts):
                    assert option in line, name
                    assert f"`{option}" in options
