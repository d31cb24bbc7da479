"""The one file that imports pymilter: turns callbacks into calls on a Session, and its Outcome into answers.

Every exception ends here. A callback whose answer nobody waits for cannot report a fault, so that is remembered and met
at the end of the message.
"""

import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, Final

import Milter

from hoptrail_milter.endpoint import Endpoint
from hoptrail_milter.message import OWN_FIELDS_MAX
from hoptrail_milter.services import Services
from hoptrail_milter.session import Macros, Outcome, Session

NAME: Final = "hoptrail"
BACKLOG: Final = 1_024  # connections that wait for accept: a burst of SMTP sessions; the kernel's somaxconn bounds it
HARVEST_REPLY: Final = ("421", "4.7.0", "Too many unknown recipients from your network; try again later")
REPLIES: Final = {
    "tempfail": ("451", "4.3.0", "The mail filter has a problem; please try again later"),
    "reject": ("550", "5.7.1", "The message looks like spam and is refused"),
    "flooded": ("550", "5.7.1", f"Over {OWN_FIELDS_MAX} header fields that only our mail filter adds; remove them"),
}

# Steps that never answer, and those we do without. What the MTA does not offer is answered the old way. Recipients
# are answered: Postfix keeps what needs no answer in its buffer, and where all recipients of a session are refused it
# hangs up right after flushing that, upon which libmilter drops it unread. Harvesting would go uncounted.
_STEPS: Final = (
    Milter.P_NR_CONN | Milter.P_NR_HELO | Milter.P_NR_MAIL | Milter.P_NR_HDR | Milter.P_NR_BODY
    | Milter.P_NODATA | Milter.P_NOUNKNOWN | Milter.P_NOEOH | Milter.P_RCPT_REJ | Milter.P_HDR_LEADSPC
)  # fmt: skip
_LEADING_SPACE: Final = Milter.P_HDR_LEADSPC
_SILENT_HEADER: Final = Milter.P_NR_HDR
_NO_REPLY: Final[int] = Milter.NOREPLY
_GO_ON: Final[int] = Milter.CONTINUE
# Only what is read: each macro is sent with each callback. Set here, because pymilter's own @symlist fails on Python 3.
_MACROS: Final = (
    (Milter.M_CONNECT, "j {client_resolve} {daemon_port}"),
    (Milter.M_HELO, "{tls_version} {cipher}"),
    (Milter.M_ENVFROM, "i {auth_type} {auth_authen}"),
    (Milter.M_ENVRCPT, "{rcpt_mailer}"),
    (Milter.M_EOM, "i"),
)


def _guarded(bit: int = 0) -> Callable[[Callable[..., int | None]], Callable[..., int]]:
    """Make a method a callback that raises nothing, and gives no answer if the MTA agreed to `bit`.

    The answer is the method's, "go on" where it has none.
    """

    def decorate(method: Callable[..., int | None]) -> Callable[..., int]:
        @wraps(method)
        def callback(self: "SmtpClient", *args: Any) -> int:  # noqa: ANN401 - whatever libmilter brings
            answer = None
            try:
                answer = method(self, *args)
            except Exception as error:  # noqa: BLE001 - the boundary
                self.fault(method.__name__, error)
            if self._protocol & bit:
                return Milter.NOREPLY  # type: ignore[no-any-return]
            return Milter.CONTINUE if answer is None else answer

        return callback

    return decorate


class SmtpClient(Milter.Base):  # type: ignore[misc]  # pymilter has no types
    """One connection from the MTA."""

    def __init__(self, services: Services) -> None:
        """Begin a session."""
        self._services = services
        self._session = Session(services)
        self._is_faulted = False

    def negotiate(self, opts: list[int]) -> int:
        """Agree on what the MTA sends, and which answers it need not wait for."""
        try:
            actions, steps = opts[:2]
            wanted = Milter.SETSYMLIST if self._services.settings.milter.observe_only else (
                Milter.SETSYMLIST | Milter.ADDHDRS | Milter.CHGHDRS
            )  # fmt: skip
            if actions & Milter.SETSYMLIST:
                for stage, names in _MACROS:
                    self._ctx.setsymlist(stage, names)
            self._actions = opts[0] = actions & wanted
            unwanted = 0 if self._services.wants_body else Milter.P_NOBODY
            answered = Milter.P_NR_CONN if self._services.harvest else 0
            self._protocol = opts[1] = steps & (_STEPS | unwanted) & ~answered
            opts[2:] = [0, 0]
        except Exception as error:  # noqa: BLE001 - the boundary
            self.fault("negotiate", error)
            return Milter.ALL_OPTS  # type: ignore[no-any-return]
        return Milter.CONTINUE  # type: ignore[no-any-return]

    @_guarded(Milter.P_NR_CONN)
    def connect(self, name: str, _family: int, address: Any) -> int | None:  # noqa: ANN401 - a tuple, a path or None
        """Take the client's name and address; there is none for a unix socket. Refuse it if it harvests."""
        ip, port = address[:2] if isinstance(address, tuple) else (address, None)
        self._session.connect(name, ip, port)
        if self._services.harvest is None:
            return None
        verdict = self._session.judge_client(self._macro("{client_resolve}"), self._macro("{daemon_port}"))
        if verdict != "refuse":
            return None
        self.setreply(*HARVEST_REPLY)
        return Milter.TEMPFAIL  # type: ignore[no-any-return]

    @_guarded(Milter.P_NR_HELO)
    def hello(self, name: str) -> None:
        """Take what the client calls itself."""
        self._session.helo(name)

    @_guarded(Milter.P_NR_MAIL)
    def envfrom(self, sender: str, *parameters: str) -> None:
        """Begin a message."""
        self._is_faulted = False
        self._session.mail(sender, parameters)

    @_guarded()
    def envrcpt(self, recipient: str, *_parameters: str) -> None:
        """Take a recipient, refused ones too."""
        is_refused = self._macro("{rcpt_mailer}") == "error"
        if is_refused and self._services.harvest and self._macro("{auth_authen}"):
            self._session.note_user()
        self._session.recipient(recipient, is_refused=is_refused)

    def header_bytes(self, name: str, value: bytes) -> int:
        """Take a header field byte for byte. An MTA that did not agree to leave the leading space cut one off."""
        protocol = self._protocol
        try:  # guarded here: of all callbacks this one is called most
            self._session.header(name, value if protocol & _LEADING_SPACE else b" " + value)
        except Exception as error:  # noqa: BLE001 - the boundary
            self.fault("header_bytes", error)
        return _NO_REPLY if protocol & _SILENT_HEADER else _GO_ON

    @_guarded(Milter.P_NR_BODY)
    def body(self, chunk: bytes) -> None:
        """Take a piece of the body."""
        self._session.body(chunk)

    def eom(self) -> int:
        """Answer for the message."""
        begun_s = time.perf_counter()
        try:
            outcome = self._session.give_up(self._macro("i")) if self._is_faulted else self._session.end(self._macros())
        except Exception as error:  # noqa: BLE001 - the boundary
            self.fault("eom", error)
            outcome = self._session.give_up(self._macro("i"))
        reply = self._answer(outcome)
        self.abort()
        self._services.counters.add("messages")
        self._services.counters.observe(time.perf_counter() - begun_s)
        return reply

    def abort(self) -> int:
        """Forget the message; the MTA waits for no answer."""
        try:
            self._session.abort()
        except Exception as error:  # noqa: BLE001 - the boundary
            self.fault("abort", error)
        return Milter.CONTINUE  # type: ignore[no-any-return]

    def close(self) -> int:
        """End the session."""
        try:
            self._session.close()
        except Exception as error:  # noqa: BLE001 - the boundary
            self.fault("close", error)
        self._services.release()
        return Milter.CONTINUE  # type: ignore[no-any-return]

    def fault(self, step: str, error: Exception) -> None:
        """Log and count a fault of our own, and let the end of the message know."""
        self._is_faulted = True
        self._services.counters.add("faults")
        self._services.log.fault("fault", error, step=step, queue=self._macro("i"))

    def _answer(self, outcome: Outcome) -> int:
        """Make the edits and return the reply."""
        try:
            if outcome.reply == "accept":
                self._edit(outcome)
            else:
                self.setreply(*REPLIES[outcome.reply])
        except (Milter.error, Milter.DisabledAction) as error:  # the MTA is gone, or never agreed to edits
            self._services.log.fault("edit-failed", str(error), queue=self._macro("i"))
        except Exception as error:  # noqa: BLE001 - the boundary
            self.fault("edit", error)
        answers = {"accept": Milter.CONTINUE, "tempfail": Milter.TEMPFAIL}
        return answers.get(outcome.reply, Milter.REJECT)  # type: ignore[no-any-return]

    def _edit(self, outcome: Outcome) -> None:
        for name, index in outcome.removals:
            self.chgheader(name, index, "")  # which deletes it
        space = " " if self._protocol & Milter.P_HDR_LEADSPC else ""
        for name, value in reversed(outcome.additions):  # each goes on top of the one before, above the MTA's own field
            self.addheader(name, space + value, 0)

    def _macro(self, name: str) -> str | None:
        """Return a macro's value; None too where pymilter raises, as for bytes that are no UTF-8."""
        try:
            return self._ctx.getsymval(name)  # type: ignore[no-any-return]
        except Exception:  # noqa: BLE001 - a macro is never worth a message
            return None

    def _macros(self) -> Macros:
        return Macros(
            queue_id=self._macro("i"),
            host=self._macro("j"),
            auth_type=self._macro("{auth_type}"),
            auth_user=self._macro("{auth_authen}"),
            tls_version=self._macro("{tls_version}"),
            tls_cipher=self._macro("{cipher}"),
            client_resolve=self._macro("{client_resolve}"),
        )


def _client(ctx: Any) -> SmtpClient:  # noqa: ANN401 - pymilter has no types
    """Return the connection that a callback is about; a new one where the peer began without negotiating."""
    client: SmtpClient | None = ctx.getpriv()
    if client is None:
        client = Milter.factory()
        client._setctx(ctx)  # noqa: SLF001 - as pymilter's own callbacks do
    return client


def listen(where: Endpoint) -> None:
    """Open the socket that the worker processes will share; raises OSError with what libmilter would not say."""
    Milter.set_connect_callback(Milter.connect_callback)
    Milter.set_helo_callback(lambda ctx, name: _client(ctx).hello(name))
    Milter.set_envfrom_callback(lambda ctx, *args: _client(ctx).envfrom_bytes(*args))
    Milter.set_envrcpt_callback(lambda ctx, *args: _client(ctx).envrcpt_bytes(*args))
    Milter.set_header_callback(lambda ctx, name, value: _client(ctx).header_bytes(name, value))
    Milter.set_body_callback(lambda ctx, chunk: _client(ctx).body(chunk))
    Milter.set_eom_callback(lambda ctx: _client(ctx).eom())
    Milter.set_abort_callback(lambda ctx: _client(ctx).abort())
    Milter.set_close_callback(Milter.close_callback)
    Milter.set_exception_policy(Milter.CONTINUE)  # for what pymilter itself raises: a HELO that is no UTF-8
    Milter.setconn(str(where))
    Milter.setbacklog(BACKLOG)
    Milter.register(NAME, negotiate=Milter.negotiate_callback)
    try:
        Milter.opensocket(False)  # noqa: FBT003 - whose file lies there was settled before
    except Milter.error as error:
        hint = f"is {Path(where.path).parent} there and writable?" if where.kind == "unix" else "is the port taken?"
        raise OSError(f"cannot listen on {where}: {hint}") from error


def serve(opening: Callable[[], Services]) -> None:
    """Answer the MTA on the socket that `listen` opened, until the process ends.

    `opening` gives each new connection the services of the configuration that is in force.
    """
    Milter.factory = lambda: SmtpClient(opening())
    Milter.main()
