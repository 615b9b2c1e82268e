"""The bytes of one e-mail: headers, and the same words as plain text and as HTML. It sends nothing.

Written by hand: building and printing an EmailMessage was what bounded how many go out in a second, and it spoils
headers that pass 78 characters (it cuts a long URL, and loses spaces of words that are not ASCII). The HTML loads
nothing from anywhere, so nobody learns whether it was opened, and leaves its colours but the button's to the reader's
own program, which may show it dark.
"""

from binascii import b2a_qp
from datetime import UTC, datetime
from email.header import Header
from email.utils import format_datetime
from functools import lru_cache
from html import escape

import msgspec

from notifications.channels import Parcel
from notifications.wording.letters import letter

CRLF = "\r\n"
BOUNDARY = "=_homestretch"  # stands in no part: quoted-printable has no "=_"
FONT = "font:16px/1.5 -apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
BUTTON = (
    "display:inline-block;padding:12px 28px;border-radius:8px;background:#1c5d99;color:#ffffff;"
    "font-weight:600;text-decoration:none"
)


class Sender(msgspec.Struct, frozen=True):
    header: str
    """What stands behind From:, encoded"""
    mailbox: str
    public_url: str


def write(sender: Sender, mailbox: str, parcel: Parcel, now: float) -> bytes:
    """ValueError where a word holds a line break, as that would begin another header."""
    if not (parcel.title + parcel.language + parcel.delivery_id).isprintable():
        raise ValueError("a line break in a header")
    stop = f"{sender.public_url.rstrip('/')}/unsubscribe/{parcel.delivery_id}"
    headers = {
        "From": sender.header,
        "To": mailbox,
        "Subject": _subject(parcel.title),
        "Date": format_datetime(datetime.fromtimestamp(now, UTC)),
        "Message-ID": f"<{parcel.delivery_id}@{sender.mailbox.rpartition('@')[2]}>",
        "List-Unsubscribe": f"<{stop}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",  # RFC 8058
        "Auto-Submitted": "auto-generated",
        "Content-Language": parcel.language,
        "MIME-Version": "1.0",
        "Content-Type": f'multipart/alternative; boundary="{BOUNDARY}"',
    }
    head = "".join(f"{name}: {text}{CRLF}" for name, text in headers.items())
    link = parcel.link(sender.public_url)
    parts = _part("plain", plain(parcel, link, stop)) + _part("html", page(parcel, link, stop))
    return head.encode() + b"\r\n" + parts + f"--{BOUNDARY}--{CRLF}".encode()


def plain(parcel: Parcel, link: str, stop: str) -> str:
    return f"{parcel.body}\n\n{link}\n\n{letter(parcel.language).stop}:\n{stop}\n"


def page(parcel: Parcel, link: str, stop: str) -> str:
    """The words of the plain text, and its links; the button is a link."""
    says = letter(parcel.language)
    where, end = escape(link), escape(stop)
    return f"""<!doctype html>
<html lang="{escape(parcel.language)}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>{escape(parcel.title)}</title>
</head>
<body style="margin:0;padding:32px 20px">
<div style="max-width:480px;margin:0 auto;{FONT}">
<p style="margin:0 0 24px;font-size:19px">{escape(parcel.body)}</p>
<p style="margin:0 0 32px"><a href="{where}" style="{BUTTON}">{escape(says.open)}</a></p>
<p style="margin:0 0 32px;font-size:13px;word-break:break-all"><a href="{where}" style="color:inherit">{where}</a></p>
<p style="margin:0;font-size:13px"><a href="{end}" style="color:inherit">{escape(says.stop)}</a></p>
</div>
</body>
</html>
"""


def _part(kind: str, text: str) -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Type: text/{kind}; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable'
    # Each of its lines ends as a mail's do, those cut by the encoding too.
    body = b2a_qp(text.replace("\r\n", "\n").encode(), istext=True).replace(b"\n", b"\r\n")
    return head.encode() + b"\r\n\r\n" + body + b"\r\n"


@lru_cache(64)
def _subject(title: str) -> str:
    return Header(title, header_name="Subject").encode(linesep=CRLF)
