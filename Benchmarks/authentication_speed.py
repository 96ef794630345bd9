#!/usr/bin/env python3
"""What DKIM takes beside the cryptography that it is made of, and beside dkimpy and openssl, in one run.

Each round runs the three in turn, one thread each, and counts processor time alone. A ratio is made within a round; the
medians over the rounds and the spread are written to Documentation/Performance.md. Needs openssl, and dkimpy in the
environment that `Scripts/system-packages test` makes.
"""

import argparse
import base64
import datetime
import json
import platform
import re
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

# The first benchmark, which also leads to the peers of Tests/Interop.
from run import DOCUMENT, PROJECT, processor, spread

from harness import program, venv_python  # noqa: E402
from signatures import DOMAIN, Keys  # noqa: E402

START = "<!-- authentication: written by Benchmarks/authentication_speed.py -->"
END = "<!-- end of the authentication's speed -->"
OCTETS = 10 * 1024
HEADER = (
    "Received: from laptop.example.org (laptop.example.org [192.0.2.7])\r\n\tby mail.example.org with ESMTPSA;\r\n"
    "\tMon, 02 Nov 2026 10:00:01 +0000\r\nFrom: Joe Doe <joe@example.org>\r\nTo: Sue <sue@example.net>,\r\n"
    "\tJim <jim@example.net>\r\nSubject: How the heron stood in the reeds\r\nDate: Mon, 02 Nov 2026 10:00:00 +0000\r\n"
    "Message-ID: <20261102100000.1@example.org>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
    "Content-Transfer-Encoding: 8bit\r\n\r\n")
LINE = "All morning the heron stood in the reeds.  Nobody saw it but the two of us.\r\n"


@dataclass
class Row:
    """`ratio` makes one number of a round's figures; 1 is as fast as what it is compared with."""

    title: str
    ratio: object
    goal: float | None = None


def signing_rows(kind, title):
    return [
        Row(f"{title}: the library's bare signature of the same message, to signing it by DKIM",
            lambda ours, *_: ours[f"{kind}: bare signature of the message"] / ours[f"{kind}: signing"], 0.9),
        Row(f"{title}: bare signature of 32 octets, to signing the message",
            lambda ours, *_: ours[f"{kind}: bare signature"] / ours[f"{kind}: signing"]),
        Row(f"{title}: bare signature and bare SHA-256 of the same octets, to signing the message",
            lambda ours, *_: (ours[f"{kind}: bare signature"] + ours[f"{kind}: bare hash"]) / ours[f"{kind}: signing"]),
        Row(f"{title}: bare signature, to it with the bare SHA-256: what no signer can pass",
            lambda ours, *_: ours[f"{kind}: bare signature"]
            / (ours[f"{kind}: bare signature"] + ours[f"{kind}: bare hash"])),
        Row(f"{title}: share of signing that is the signature itself, the body, all the rest",
            lambda ours, *_: shares(ours, kind)),
        Row(f"{title}: dkimpy, to signing the message",
            lambda ours, theirs, _: theirs[f"{kind}: signing"] * 1e9 / ours[f"{kind}: signing"]),
        Row(f"{title}: dkimpy, to verifying the message",
            lambda ours, theirs, _: theirs[f"{kind}: verifying"] * 1e9 / ours[f"{kind}: verifying"]),
    ]


def shares(ours, kind):
    whole, without, bare = (ours[f"{kind}: {part}"] for part in ("signing", "signing without body", "bare signature"))
    return bare / whole, (whole - without) / whole, (without - bare) / whole


def body_row(kind, canonicalization, title, goal=None):
    return Row(f"body hash, {canonicalization}, {title}: octets a second, to openssl's SHA-256",
               lambda ours, _, openssl: 1e9 / ours[f"{kind}: {canonicalization}"] / openssl, goal)


ROWS = [
    *signing_rows("ed25519", "Ed25519"),
    *signing_rows("rsa", "RSA-2048"),
    body_row("base64", "relaxed", "base64", 0.8),
    body_row("prose", "relaxed", "prose", 0.5),
    body_row("flowed", "relaxed", "prose with a space at each line's end (RFC 3676)", 0.5),
    body_row("base64", "simple", "base64"),
    body_row("prose", "simple", "prose"),
]


# The three

def prepared(folder):
    """What the three share: a message of 10 KiB, a key of each kind, and the records of both."""
    message = (HEADER + LINE * (OCTETS // len(LINE)))[:OCTETS - 2] + "\r\n"
    (folder / "message.eml").write_bytes(message.encode())
    return message.encode(), Keys(folder)


def of_martlet(binary, folder, turns):
    return json.loads(subprocess.run([binary, folder, str(turns)], check=True, capture_output=True).stdout)


def of_dkimpy(message, keys):
    request = {"message": base64.b64encode(message).decode(), "domain": DOMAIN, "records": keys.records,
               "keys": keys.private}
    done = subprocess.run([venv_python("dkim"), PROJECT / "Benchmarks/dkimpy_speed.py"],
                          input=json.dumps(request).encode(), check=True, capture_output=True)
    return json.loads(done.stdout)


def of_openssl():
    """Octets a second that SHA-256 takes of one core."""
    done = subprocess.run(
        [program("openssl", "openssl"), "speed", "-evp", "sha256", "-bytes", "16384", "-seconds", "2", "-mr"],
        check=True, capture_output=True, text=True)
    return float(re.search(r"^\+F:.*:([0-9.]+)$", done.stdout, re.MULTILINE)[1])


def measured(binary, folder, options):
    """Each row's ratios by round."""
    message, keys = prepared(folder)
    ratios = {row.title: [] for row in ROWS}
    for round in range(options.repeat):
        before = of_openssl()
        ours = of_martlet(binary, folder, options.turns)
        openssl = (before + of_openssl()) / 2
        theirs = of_dkimpy(message, keys)
        for row in ROWS:
            ratios[row.title].append(row.ratio(ours, theirs, openssl))
        print(f"{round + 1}/{options.repeat}: openssl {openssl / 1e6:,.0f} MB/s, " + ", ".join(
            f"{name} {nanoseconds:,.2f} ns" for name, nanoseconds in ours.items()), file=sys.stderr)
    return ratios


# The table

def shown(number):
    return f"{number:,.0f}" if number >= 10 else f"{number:.2f}"


def table(ratios):
    lines = ["| what, to what | ratio | goal | reached |", "|---|---|---|---|"]
    for row in ROWS:
        values = ratios[row.title]
        if isinstance(values[0], tuple):
            words = ", ".join(f"{100 * statistics.median(part):.0f} %" for part in zip(*values))
            lines.append(f"| {row.title} | {words} | | |")
            continue
        middle = statistics.median(values)
        goal, reached = (f"{row.goal:g}", "yes" if middle >= row.goal else "no") if row.goal else ("", "")
        lines.append(f"| {row.title} | {shown(middle)} ±{spread(values):.0f} % | {goal} | {reached} |")
    return "\n".join(lines)


def written(text, options):
    section = (
        f"{START}\n\nMeasured {datetime.date.today()} on one core ({processor()}), "
        f"{platform.freedesktop_os_release()['PRETTY_NAME']}; {options.repeat} rounds; medians, with half the distance "
        f"between the extremes.\n\n{text}\n\n{END}")
    page = DOCUMENT.read_text("utf-8")
    before, rest = page.split(START, 1)
    DOCUMENT.write_text(before + section + rest.split(END, 1)[1], "utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, default=PROJECT / ".build/release/AuthenticationSpeed")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--turns", type=int, default=20, help="of each work within a round")
    parser.add_argument("--no-write", action="store_true", help="print the table and leave the document alone")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="speed-") as name:
        text = table(measured(options.program.resolve(), Path(name), options))
    print(text)
    if not options.no_write:
        written(text, options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
