dnl Hoptrail's lines for Sendmail's sendmail.mc (8.14 and later). Put this file into /etc/mail/ and
dnl
dnl     include(`/etc/mail/hoptrail.m4')dnl
dnl
dnl into sendmail.mc before the MAILER lines; then `make -C /etc/mail` and restart Sendmail. To back out, take the
dnl include away again; no mail is lost either way.
dnl
dnl The socket is where hoptrail.toml has it by default: socket = "unix:/run/hoptrail/milter.sock". Sendmail, which
dnl connects as root, refuses a socket below a directory that everybody may write to, such as /tmp.
dnl
dnl S=  the socket. Not inet: over TCP every message stalls for about 43 ms.
dnl F=  not given: when there is no answer in time, or no daemon, the mail flows, unrecorded. F=T has senders try
dnl     again instead (nothing passes unrecorded, but the mail stands still); F=R would refuse mail for good: never.
dnl T=  how long to wait. C: for the socket; a daemon that runs answers at once.
dnl     S: for Hoptrail to take what Sendmail sends; it reads all the time.
dnl     R: for the answer to a step; Hoptrail answers from memory.
dnl     E: for the answer to a whole message: the sum of `budget_s' of [lookups] (3 s), `timeout_s' of [score] (30 s)
dnl     and a slow disk; Sendmail's own default would be 5 minutes.
INPUT_MAIL_FILTER(`hoptrail', `S=unix:/run/hoptrail/milter.sock, T=C:5s;S:10s;R:10s;E:1m')dnl
dnl
dnl Filters are asked in the order in which they stand in sendmail.mc. Have Hoptrail after one that verifies
dnl signatures (opendkim), so that its result is there to be recorded, and before one that rewrites the body.
dnl
dnl No confMILTER_MACROS_ lines: Hoptrail asks for each macro that it reads when it is connected, and for no others.
