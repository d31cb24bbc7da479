"""The message that the benches send: 4 KiB, five Received lines of this moment, a DKIM signature that verifies."""

import base64
import hashlib
import subprocess
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

DOMAIN, SELECTOR = "example.net", "bench"
SIZE_BYTES = 4_096


def make(folder: Path) -> tuple[bytes, str]:
    """Return the message, with `%d` in its Message-ID to be filled in, and the line for opendkim's TestPublicKeys."""
    key = folder / "dkim.key"
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    extract = ["openssl", "rsa", "-in", key, "-pubout", "-outform", "DER"]
    public = subprocess.run(extract, check=True, capture_output=True).stdout
    now = datetime.now(UTC)
    received = b"".join(
        b"Received: from h%d.example.net (h%d.example.net [203.0.113.%d])\r\n"
        b"\tby h%d.example.net (Postfix) with ESMTPS id 7C41F2%dA0B\r\n"
        b"\tfor <alice@example.test>; %s (UTC)\r\n"
        % (hop, hop, hop, hop + 1, hop, format_datetime(now - timedelta(seconds=12 - 2 * hop)).encode())
        for hop in range(5, 0, -1)
    )
    signed = (
        b"From: Sender <sender@example.net>\r\n"
        b"To: Alice <alice@example.test>\r\n"
        b"Subject: An ordinary message of ordinary length\r\n"
        b"Date: " + format_datetime(now - timedelta(seconds=12)).encode() + b"\r\n"
    )
    rest = b"Message-ID: <%d@example.net>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
    head = len(received) + len(signed) + len(rest) + 600
    line = b"The quick brown fox jumps over the lazy dog, as it does in every test.\r\n"
    body = line * ((SIZE_BYTES - head) // len(line))
    tag = (
        f"DKIM-Signature: v=1; a=rsa-sha256; c=simple/simple; d={DOMAIN}; s={SELECTOR};\r\n"
        f"\th=from:to:subject:date; bh={base64.b64encode(hashlib.sha256(body).digest()).decode()};\r\n\tb="
    ).encode()
    signature = subprocess.run(
        ["openssl", "dgst", "-sha256", "-sign", key], input=signed + tag, check=True, capture_output=True
    ).stdout
    encoded = base64.b64encode(signature)
    folded = b"\r\n\t".join(encoded[at : at + 70] for at in range(0, len(encoded), 70))
    key_line = f"{SELECTOR}._domainkey.{DOMAIN} v=DKIM1; k=rsa; p={base64.b64encode(public).decode()}\n"
    return received + tag.replace(b"%", b"%%") + folded + b"\r\n" + signed + rest + b"\r\n" + body + b".\r\n", key_line
