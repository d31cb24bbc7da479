"""Tells systemd how the service is: the sd_notify protocol, one datagram a message. Without systemd, silent."""

import os
import socket


def notify(state: str) -> None:
    """Send `state`, e.g. READY=1, to the service manager that started us, if one did."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # an abstract socket
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        try:
            channel.sendto(state.encode(), address)
        except OSError:
            return  # the manager is being restarted; it learns our state another way


def watchdog_interval_s() -> float | None:
    """Return how often to send WATCHDOG=1, half of what systemd allows, or None if it does not ask."""
    try:
        allowed_us = int(os.environ["WATCHDOG_USEC"])
    except (KeyError, ValueError):
        return None
    return allowed_us / 2e6 if os.environ.get("WATCHDOG_PID") in {None, str(os.getpid())} else None
