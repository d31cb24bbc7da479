-- The store of one host: what its MTA and its imports saw. docs/store.md explains it to a person.
--
-- A new store is made from this file; an older one is brought here by migrations/NNN-name.sql. A test keeps the two equal.
-- Times are milliseconds since 1970, UTC (`_ms`). A column that ends in `_name`, and those said to, hold an id of table
-- `name`. Names of tables are singular, views resolve the ids for a person's eyes.

-- Facts about the store itself.
--   key     'name_epoch': raised whenever rows of `name` are deleted, so that writers forget the ids they remember
--           'names_kept': how many names the last search for unused ones left
--           'archive_looked': number of the newest message when the days to move to the archive were last looked for
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;

-- Host names, addresses and other short texts that come again and again: the dictionary that makes a hop small.
--   text    at most 255 characters; host names of hops in lower case, addresses in their canonical form
CREATE TABLE name (
    id INTEGER PRIMARY KEY,
    text TEXT NOT NULL UNIQUE
);

-- One row a message.
--   number              joins the other tables; means nothing outside this file
--   id                  the ULID in X-Hoptrail-Id
--   digest              of an imported message: the first 16 bytes of its SHA-256, so that it is imported once; of one from
--                       a log, that of host, queue id, time and relay
--   host_name           the MTA that took it
--   source              'milter', 'import' or 'log': out of the MTA's log, a message for each relay that got a copy
--   refused_recipients  of this message, by the MTA
--   origin_ip, origin_name, origin_trust, origin_confidence, origin_basis   Trace.origin; trust as in `hop`
--   hops, forged_hops   all hops of the trace, and those of class forged
--   root_name           the relay where the message's way ended, as the map names it; NULL where no way could be followed
--   points, required, rules, unscored   what SpamAssassin said; rules with commas between; all NULL: not configured
--   spam                1 where points reached required
CREATE TABLE message (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    digest BLOB,
    host_name INTEGER NOT NULL REFERENCES name,
    source TEXT NOT NULL CHECK (source IN ('milter', 'import', 'log')),
    received_ms INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    envelope_from TEXT,
    message_id TEXT,
    subject TEXT,
    refused_recipients INTEGER NOT NULL,
    origin_ip INTEGER REFERENCES name,
    origin_name INTEGER REFERENCES name,
    origin_trust INTEGER NOT NULL,
    origin_confidence REAL NOT NULL,
    origin_basis TEXT NOT NULL,
    hops INTEGER NOT NULL,
    forged_hops INTEGER NOT NULL,
    root_name INTEGER REFERENCES name,
    points REAL,
    required REAL,
    rules TEXT,
    unscored TEXT,
    spam INTEGER NOT NULL
);
CREATE INDEX message_received ON message (received_ms);
CREATE INDEX message_spam ON message (received_ms) WHERE spam;
CREATE INDEX message_message_id ON message (message_id) WHERE message_id IS NOT NULL;
CREATE UNIQUE INDEX message_digest ON message (digest) WHERE digest IS NOT NULL;

-- The connection a message came by, as our own MTA saw it; imported messages have none.
--   ip, helo, rdns, by_name, tls   ids of `name`
--   auth                           how the client authenticated
CREATE TABLE client (
    message INTEGER PRIMARY KEY REFERENCES message ON DELETE CASCADE,
    ip INTEGER REFERENCES name,
    helo INTEGER REFERENCES name,
    rdns INTEGER REFERENCES name,
    port INTEGER,
    by_name INTEGER REFERENCES name,
    auth TEXT,
    tls INTEGER REFERENCES name,
    queue_id TEXT,
    at_ms INTEGER
);
CREATE INDEX client_queue_id ON client (queue_id) WHERE queue_id IS NOT NULL;

-- Accepted recipients, in the order they were named.
CREATE TABLE recipient (
    message INTEGER NOT NULL REFERENCES message ON DELETE CASCADE,
    position INTEGER NOT NULL,
    address TEXT NOT NULL,
    PRIMARY KEY (message, position)
) WITHOUT ROWID;

-- What became of a message for each recipient, where the MTA's log was imported: the last attempt.
--   outcome      'sent', 'deferred', 'bounced', 'expired' or 'held'
--   relay_name, relay_ip   who took it (ids of `name`); both NULL: it was delivered on the host, or not at all
--   delay_ms     since the host took the message;  dsn  the enhanced status code (RFC 3463)
--   next_id      the queue id that the relay gave it
CREATE TABLE delivery (
    message INTEGER NOT NULL REFERENCES message ON DELETE CASCADE,
    recipient TEXT NOT NULL,
    outcome TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    delay_ms INTEGER,
    relay_name INTEGER REFERENCES name,
    relay_ip INTEGER REFERENCES name,
    dsn TEXT,
    reply TEXT,
    next_id TEXT,
    PRIMARY KEY (message, recipient)
) WITHOUT ROWID;

-- The parsed hops of a message: what the relay map is made of. Those of closed days move to the archive.
--   position   index into the trace's hops, 0 is the newest; a skipped or unparseable line leaves a gap
--   ip, rdns, helo   of the sending side (ids of `name`); by_name of the receiving one, its address where it gave no name
--   software, protocol   ids of `name`
--   at_s       the line's own date, seconds since 1970: such dates have no finer grain
--   trust      0 observed, 1 trusted, 2 vouched, 3 claimed, 4 forged
--   kind       0 relay, 1 submission, 2 local, 3 scanner, 4 fetch, 5 mapi, 6 http, 7 internal, 8 unknown,
--              9 delivery: no line, but what this host's log says of whom it handed the message to
--   sender_name  the relay that handed the message over here, as the map names it; NULL where the line is no part of the
--              way. It went to the sender of the next newer such line, the newest one to message.root_name
--   delay_s    whole seconds since the sender's own line; negative where clocks disagree
--   reach_s    whole seconds from the sender's own line to the root's; NULL too where `marks` says visited before
--   marks      a sum: 1 the hand-over lies in a loop, 2 the message used this link before, 4 it visited the sender before
--              (before: nearer to the root), 8 no hand-over, but the line of the relay that the way began at
--   shape      id of `name`: what the line looks like, where its writer can be believed (see shape_seen)
CREATE TABLE hop (
    message INTEGER NOT NULL REFERENCES message ON DELETE CASCADE,
    position INTEGER NOT NULL,
    ip INTEGER REFERENCES name,
    rdns INTEGER REFERENCES name,
    helo INTEGER REFERENCES name,
    by_name INTEGER REFERENCES name,
    software INTEGER REFERENCES name,
    protocol INTEGER REFERENCES name,
    at_s INTEGER,
    trust INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    sender_name INTEGER REFERENCES name,
    delay_s INTEGER,
    reach_s INTEGER,
    marks INTEGER NOT NULL,
    shape INTEGER REFERENCES name,
    PRIMARY KEY (message, position)
) WITHOUT ROWID;

-- What is wrong with a message's chain.
--   code   as in docs/tracing.md;  hop  the position in `hop`, NULL for the whole chain;  weight  in 0..1
CREATE TABLE anomaly (
    message INTEGER NOT NULL REFERENCES message ON DELETE CASCADE,
    position INTEGER NOT NULL,
    code TEXT NOT NULL,
    hop INTEGER,
    weight REAL NOT NULL,
    PRIMARY KEY (message, position)
) WITHOUT ROWID;

-- What was moved to the archive of closed days (docs/store.md), a part at a time.
--   host         the `host=` that its folder has;  part  the number in the folder's name
--   last_number  hops of later messages came when the part was made already: they are in the store
--   state        'writing': the rows in `hop` count, and the folder, if it is there, does not;
--                'moving': the folder counts, and the day's rows in `hop` up to last_number do not: they are being deleted;
--                'moved': they are deleted;
--                'expired': the folder is deleted too, after [store] archive_keep_days
CREATE TABLE archive_part (
    day TEXT NOT NULL,
    host TEXT NOT NULL,
    part INTEGER NOT NULL,
    last_number INTEGER NOT NULL,
    hops INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('writing', 'moving', 'moved', 'expired')),
    PRIMARY KEY (day, host, part)
) WITHOUT ROWID;

-- The raw trace fields and the whole trace, compressed: for `hoptrail show`, `hoptrail reparse` and drafts.
--   data   JSON in a zlib stream with the preset dictionary trail-dictionary.txt, {"fields": [[name, value], ...], "trace": {...}}; bytes of fields as Latin-1 characters
CREATE TABLE trail (
    message INTEGER PRIMARY KEY REFERENCES message ON DELETE CASCADE,
    data BLOB NOT NULL
);

-- What was looked up about the origin's address when the message came.
--   name, as_name   ids of `name`;  name_confirmed  0, 1 or NULL for not known;  country  ISO 3166-1 alpha-2
--   missing         what failed or was late, JSON [[what, why], ...], or NULL
CREATE TABLE facts (
    message INTEGER PRIMARY KEY REFERENCES message ON DELETE CASCADE,
    ip INTEGER NOT NULL REFERENCES name,
    name INTEGER REFERENCES name,
    name_confirmed INTEGER,
    asn INTEGER,
    as_name INTEGER REFERENCES name,
    country TEXT,
    missing TEXT
);

-- What each DNS list said of the origin's address.
--   zone      id of `name`;  codes  the A records with commas between;  text  the reason in words
--   verdict   'listed', 'clear', 'allowed', 'neutral', 'error', 'late' or 'paused'
CREATE TABLE listing (
    message INTEGER NOT NULL REFERENCES message ON DELETE CASCADE,
    position INTEGER NOT NULL,
    zone INTEGER NOT NULL REFERENCES name,
    verdict TEXT NOT NULL,
    codes TEXT,
    text TEXT,
    PRIMARY KEY (message, position)
) WITHOUT ROWID;

-- Whole spam messages, for a report; deleted after [store] evidence_days.
--   data   deflated, cut at [store] evidence_max_bytes before that;  size_bytes  of what is kept
CREATE TABLE evidence (
    message INTEGER PRIMARY KEY REFERENCES message ON DELETE CASCADE,
    stored_ms INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    data BLOB NOT NULL
);
CREATE INDEX evidence_stored ON evidence (stored_ms);

-- Messages whose people were hidden (docs/privacy.md).
--   how   1 local parts are hashed, 2 addresses of hosts are truncated, 3 both
CREATE TABLE anonymised (
    message INTEGER PRIMARY KEY REFERENCES message ON DELETE CASCADE,
    how INTEGER NOT NULL
);

-- Recipients refused, counted per client network and hour, merged by addition: how directory harvesting shows.
--   host_name  id of `name`;  network  the client's /24 or /64
CREATE TABLE refusal (
    hour_ms INTEGER NOT NULL,
    network TEXT NOT NULL,
    host_name INTEGER NOT NULL REFERENCES name,
    sessions INTEGER NOT NULL,
    accepted INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    PRIMARY KEY (hour_ms, network, host_name)
) WITHOUT ROWID;

-- Sessions of imported logs in which recipients were refused, so that each is counted once in `refusal`.
--   digest   of host, process, client and time;  hour_ms  as in `refusal`, and deleted with it
CREATE TABLE log_session (
    digest INTEGER PRIMARY KEY,
    hour_ms INTEGER NOT NULL
);
CREATE INDEX log_session_hour ON log_session (hour_ms);

-- The map of relays, written by `hoptrail nightly`: how each link was used on a closed UTC day. docs/topology.md
-- defines the figures. All of them merge by addition (min, max, first and last by comparison) over days and hosts.
--   day        YYYY-MM-DD;  source_name, target_name  as the mail went;  observed  0 where only a stranger's line says so
--   traversals, messages, looped   a message that passed twice is two traversals; looped ones lie in a loop
--   delays     how many were dated on both sides; their sum, squares, extremes (whole seconds) and histogram
--   skewed     delays apart from those: negative, or longer than mail lives
--   first_s, last_s   when the first and last message that used it were recorded, seconds since 1970
CREATE TABLE link_day (
    day TEXT NOT NULL,
    source_name INTEGER NOT NULL REFERENCES name,
    target_name INTEGER NOT NULL REFERENCES name,
    observed INTEGER NOT NULL,
    traversals INTEGER NOT NULL, messages INTEGER NOT NULL, looped INTEGER NOT NULL,
    delays INTEGER NOT NULL, sum_s INTEGER NOT NULL, sum_squares INTEGER NOT NULL, min_s INTEGER, max_s INTEGER,
    under_1 INTEGER NOT NULL, under_5 INTEGER NOT NULL, under_20 INTEGER NOT NULL, under_60 INTEGER NOT NULL,
    under_240 INTEGER NOT NULL, under_360 INTEGER NOT NULL, under_540 INTEGER NOT NULL, under_720 INTEGER NOT NULL,
    under_840 INTEGER NOT NULL, under_1020 INTEGER NOT NULL, under_1620 INTEGER NOT NULL, under_2100 INTEGER NOT NULL,
    under_14400 INTEGER NOT NULL, longer INTEGER NOT NULL, skewed INTEGER NOT NULL,
    first_s INTEGER NOT NULL,
    last_s INTEGER NOT NULL,
    PRIMARY KEY (day, source_name, target_name, observed)
) WITHOUT ROWID;

-- The same for each relay; its delays are the time from the relay to the host that recorded the message.
CREATE TABLE relay_day (
    day TEXT NOT NULL,
    relay_name INTEGER NOT NULL REFERENCES name,
    messages INTEGER NOT NULL,
    delays INTEGER NOT NULL, sum_s INTEGER NOT NULL, sum_squares INTEGER NOT NULL, min_s INTEGER, max_s INTEGER,
    under_1 INTEGER NOT NULL, under_5 INTEGER NOT NULL, under_20 INTEGER NOT NULL, under_60 INTEGER NOT NULL,
    under_240 INTEGER NOT NULL, under_360 INTEGER NOT NULL, under_540 INTEGER NOT NULL, under_720 INTEGER NOT NULL,
    under_840 INTEGER NOT NULL, under_1020 INTEGER NOT NULL, under_1620 INTEGER NOT NULL, under_2100 INTEGER NOT NULL,
    under_14400 INTEGER NOT NULL, longer INTEGER NOT NULL, skewed INTEGER NOT NULL,
    first_s INTEGER NOT NULL,
    last_s INTEGER NOT NULL,
    PRIMARY KEY (day, relay_name)
) WITHOUT ROWID;
CREATE INDEX relay_day_relay ON relay_day (relay_name, day, messages);

-- How often each relay stood how many relays away from the host that recorded the message (0: it was that host).
CREATE TABLE rank_day (
    day TEXT NOT NULL,
    relay_name INTEGER NOT NULL REFERENCES name,
    rank INTEGER NOT NULL,
    visits INTEGER NOT NULL,
    PRIMARY KEY (day, relay_name, rank)
) WITHOUT ROWID;

-- How a closed UTC day's mail was spread over its hours, for what tells silence from chance (docs/anomalies.md).
--   names     zlib of source and target of each link of ours with enough mail, with zero bytes between; the same twice:
--             all mail that a domain handed to us
--   columns   NumPy's .npz of one row a link: hours (24 counts of messages), delays, median_s (as in `link_day`)
CREATE TABLE hours_day (
    day TEXT PRIMARY KEY,
    names BLOB NOT NULL,
    columns BLOB NOT NULL
) WITHOUT ROWID;

-- What the detectors found on a closed UTC day: `hoptrail topology anomalies`.
--   kind, subject   what is wrong with what;  score  in 0..1, findings are ranked by it;  evidence  JSON of figures
--   relay           whose page tells more;  since  its first day, NULL: this one
CREATE TABLE finding_day (
    day TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    score REAL NOT NULL,
    sentence TEXT NOT NULL,
    evidence TEXT NOT NULL,
    relay TEXT,
    since TEXT,
    PRIMARY KEY (day, kind, subject)
) WITHOUT ROWID;

-- The figures of a closed day's report, for the reports of later days to compare with.
--   messages   those whose way could be followed: what shares are shares of;  figures  JSON, as in summary.json
CREATE TABLE map_day (
    day TEXT PRIMARY KEY,
    messages INTEGER NOT NULL,
    figures TEXT NOT NULL
) WITHOUT ROWID;

-- Figures of some mail under a name, kept until a person deletes them, whatever becomes of the mail.
--   since, until   UTC days, both included;  filter  JSON of what else the messages had to be
--   root           the relay that ranks and times are counted from, NULL: where each message's way ended
--   direction      'to' the root or 'from' it;  salt  of an anonymous collection's pseudonyms, NULL where names are real
--   figures        a zlib stream of lines of JSON: relays, then links, with the columns of `relay_day`, `rank_day`, `link_day`
CREATE TABLE collection (
    name TEXT PRIMARY KEY,
    created_ms INTEGER NOT NULL,
    since TEXT NOT NULL,
    until TEXT NOT NULL,
    filter TEXT NOT NULL,
    root TEXT,
    direction TEXT NOT NULL,
    salt BLOB,
    messages INTEGER NOT NULL,
    relays INTEGER NOT NULL,
    links INTEGER NOT NULL,
    figures BLOB NOT NULL
);
CREATE TRIGGER collection_never_changes BEFORE UPDATE ON collection
BEGIN
    SELECT raise(ABORT, 'a collection never changes');
END;

-- Spam of a closed UTC day, folded by the address it came from, and what became of it: `hoptrail abuse list`.
--   id          DAY-DIGEST, the same when the day is folded again;  ip  '' where no address was found
--   objection   '' where the address may be reported, else a code of docs/abuse.md;  why  the same in words
--   state       'refused' (there is an objection), 'waiting' (to be tried again the next night), 'unknown' (no contact),
--               'barred' (none that may be written to), 'capped', 'expired', 'drafted';  detail  the state in words
--   sample      id of the message that a draft shows;  campaign  digest of what its subject has in common with others
--   facts       JSON of what was looked up about the address, or NULL;  deeper  an older address, only to be shown
CREATE TABLE abuse_case (
    id TEXT PRIMARY KEY,
    day TEXT NOT NULL,
    ip TEXT NOT NULL,
    objection TEXT NOT NULL,
    why TEXT,
    state TEXT NOT NULL,
    detail TEXT,
    messages INTEGER NOT NULL,
    first_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    points REAL,
    sample TEXT NOT NULL,
    subject TEXT NOT NULL,
    campaign TEXT NOT NULL,
    facts TEXT,
    deeper TEXT
) WITHOUT ROWID;
CREATE INDEX abuse_case_day ON abuse_case (day, state);
CREATE INDEX abuse_case_ip ON abuse_case (ip, last_ms);

-- Reports for a person to read. One a contact, address and day.
--   state      'draft', 'approved', 'dismissed'; once sending began 'sending', 'uncertain' (it broke off where nobody can
--              know whether the smarthost took it), 'sent', 'refused' (by the smarthost, for good)
--   reason     why a person decided so;  detail  what sending came to, in words
--   form       'spamcop', 'arf' or 'xarf': what `hoptrail abuse show` prints unless told otherwise
--   report     JSON of all that a form needs but the message;  evidence  the message as shown, deflated
--   tried_ms   when sending was last tried;  sent_ms  when the smarthost took it
CREATE TABLE abuse_draft (
    id TEXT PRIMARY KEY,
    case_id TEXT NOT NULL REFERENCES abuse_case ON DELETE CASCADE,
    day TEXT NOT NULL,
    ip TEXT NOT NULL,
    contact TEXT NOT NULL,
    form TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT,
    created_ms INTEGER NOT NULL,
    decided_ms INTEGER,
    report TEXT NOT NULL,
    evidence BLOB NOT NULL,
    tried_ms INTEGER,
    sent_ms INTEGER,
    detail TEXT,
    UNIQUE (day, ip, contact)
);
CREATE INDEX abuse_draft_sent ON abuse_draft (sent_ms) WHERE sent_ms IS NOT NULL;

-- What came back about a report that was sent.
--   digest     of the mail, so that one delivered twice counts once
--   kind       'bounce', 'delay', 'delivered', 'automatic', 'ticket' or 'reply';  proven  1 where it came to the report's own
--              return path, whose tag nobody can guess
--   sender, subject, detail   as a person reads them: the status and diagnostic of a bounce, the number of a ticket
CREATE TABLE abuse_answer (
    draft TEXT NOT NULL REFERENCES abuse_draft ON DELETE CASCADE,
    digest BLOB NOT NULL,
    kind TEXT NOT NULL,
    proven INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    sender TEXT,
    subject TEXT,
    detail TEXT,
    PRIMARY KEY (draft, digest)
) WITHOUT ROWID;

-- What is remembered about whom reports go to.
--   contact    an address or a domain, in lower case;  form  the one it takes, NULL for the usual
--   stopped    NULL, 'bounced' or 'asked' (a person put it on the do-not-mail list): nothing is written to it;  why, since_ms
CREATE TABLE abuse_contact (
    contact TEXT PRIMARY KEY,
    form TEXT,
    stopped TEXT,
    why TEXT,
    since_ms INTEGER NOT NULL
) WITHOUT ROWID;

-- Origins that a person wants no drafts about: a network in CIDR form;  until_ms  NULL for good.
CREATE TABLE abuse_mute (
    origin TEXT PRIMARY KEY,
    reason TEXT NOT NULL,
    made_ms INTEGER NOT NULL,
    until_ms INTEGER
) WITHOUT ROWID;

-- Messages that a person called spam, whatever their score.
--   message    the id of `message`;  by  who said so, in words;  folded  1 once the night has made a case of it
--   copied     1 where its row in `evidence` is the copy that was handed in with the mark
CREATE TABLE abuse_mark (
    message TEXT PRIMARY KEY,
    marked_ms INTEGER NOT NULL,
    by TEXT NOT NULL,
    folded INTEGER NOT NULL,
    copied INTEGER NOT NULL
) WITHOUT ROWID;

-- The key that the tags in return paths are made with, one row, made when the first report is sent.
CREATE TABLE abuse_key (
    key BLOB NOT NULL
);

-- What the site has seen of relays, learnt each night from lines that somebody believed speaks for, so that a line that
-- departs from it shows (hoptrail_tracer.history).

-- How a host's Received lines look.
--   by_name  the host;  shape  id of `name`: the line without its names, addresses and times;  since_ms  of the first one
CREATE TABLE shape_seen (
    by_name INTEGER NOT NULL REFERENCES name,
    shape INTEGER NOT NULL REFERENCES name,
    lines INTEGER NOT NULL,
    since_ms INTEGER NOT NULL,
    PRIMARY KEY (by_name, shape)
) WITHOUT ROWID;

-- How often one relay handed mail to another.
--   back_ms  how far the dates ran back over the link at most, NULL where no two could be compared
CREATE TABLE link_seen (
    sender_name INTEGER NOT NULL REFERENCES name,
    by_name INTEGER NOT NULL REFERENCES name,
    messages INTEGER NOT NULL,
    back_ms INTEGER,
    PRIMARY KEY (sender_name, by_name)
) WITHOUT ROWID;

-- The sums of `link_seen` for each relay, which would take long to add up for a busy one.
CREATE TABLE relay_seen (
    relay_name INTEGER PRIMARY KEY REFERENCES name,
    sent INTEGER NOT NULL,
    received INTEGER NOT NULL
);

-- The UTC days whose mail the tables above have learnt from.
CREATE TABLE learnt_day (
    day TEXT PRIMARY KEY
) WITHOUT ROWID;

-- Answers of look-ups, until they expire.
--   kind   what was asked: a short word of the tracer's;  key  a name, an address or a network
CREATE TABLE lookup (
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    expires_ms INTEGER NOT NULL,
    PRIMARY KEY (kind, key)
) WITHOUT ROWID;
CREATE INDEX lookup_expires ON lookup (expires_ms);

-- How far the journal is stored (hoptrail_store.journal), so that each of its entries is stored once.
--   segment   the file's name;  stored  bytes from its beginning
CREATE TABLE journal (
    segment TEXT PRIMARY KEY,
    stored INTEGER NOT NULL
) WITHOUT ROWID;

-- Hops with their names, for a person with the sqlite3 shell.
CREATE VIEW hop_named AS
SELECT
    message.id, message.received_ms, hop.position, ip.text AS ip, rdns.text AS rdns, helo.text AS helo,
    by_name.text AS by_name, hop.at_s, hop.delay_s, hop.trust, hop.kind, sender.text AS sender
FROM hop
JOIN message ON message.number = hop.message
LEFT JOIN name AS ip ON ip.id = hop.ip
LEFT JOIN name AS rdns ON rdns.id = hop.rdns
LEFT JOIN name AS helo ON helo.id = hop.helo
LEFT JOIN name AS by_name ON by_name.id = hop.by_name
LEFT JOIN name AS sender ON sender.id = hop.sender_name;
