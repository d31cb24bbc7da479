"""`hoptrail archive`: closed days moved to the archive, on hosts where no nightly job runs."""

import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from hoptrail.account import become_owner
from hoptrail.config import Config
from hoptrail.configured import configured
from hoptrail_store.archive.moving import expire_days, move_days
from hoptrail_store.learning import learn
from hoptrail_store.retention import prune
from hoptrail_store.spans import days_with_mail
from hoptrail_store.store import Store

MISSED_MOST = timedelta(days=8)


@click.command(name="archive")
@configured
def command(config: Config) -> None:
    """Move closed days to the archive, and delete what is old: for the hosts of a fleet that write no report.

    The nightly job does the same among others. What a run that was broken off left undone is finished. Run by root, it
    works as the owner of the store's folder.
    """
    if not config.store.archive:
        raise click.UsageError("[store] archive is empty: name the folder that closed days move to")
    become_owner(Path(config.store.path).parent)
    today = datetime.now(UTC).date()
    with Store.open(config.store) as store:
        for day in days_with_mail(store.db.conn, today - MISSED_MOST, today - timedelta(days=1)):
            learn(store, day)
        before = today - timedelta(days=config.store.archive_after_days - 1)
        moved = move_days(store, config.site.hostname or socket.getfqdn(), before=before)
        expire_days(store, today)
        pruned = prune(store)
    click.echo(f"{moved.hops:,} hops of {moved.days:,} days moved, {pruned.messages:,} old messages deleted")
