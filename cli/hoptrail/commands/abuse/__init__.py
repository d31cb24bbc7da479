"""`hoptrail abuse`: last night's drafts for a person to read, decide on and send; one module a sub-command."""

import click

from hoptrail.commands.abuse import (
    approve,
    contact,
    dismiss,
    edit,
    list_,
    mark,
    mute,
    receive,
    resolve,
    send,
    show,
    stats,
    unmute,
)


@click.group(name="abuse")
def command() -> None:
    """Go through abuse drafts, send those approved, and see what came of them.

    Begin with `hoptrail abuse list`: it shows what waits for a word and names the next step.
    """


for _module in (list_, show, approve, dismiss, edit, send, resolve, receive, mark, mute, unmute, contact, stats):
    command.add_command(_module.command)
