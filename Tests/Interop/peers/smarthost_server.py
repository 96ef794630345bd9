"""A smarthost on aiosmtpd, run by the interpreter of .build-peers/python. Its argument is JSON: see smarthost.py."""

import asyncio
import json
import os
import ssl
import sys
import uuid
import warnings
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult

warnings.simplefilter("ignore")
GIVEN = json.loads(sys.argv[1])
FOLDER = Path(GIVEN["folder"])


class Recorded(SMTP):
    """Keeps what the client said, as it arrived here: in clear, or out of TLS."""

    def data_received(self, data):
        with open(FOLDER / "seen", "ab") as seen:
            seen.write(data)
        super().data_received(data)


class Keeper:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("refused"):
            return "550 5.1.1 no such mailbox"
        if address.startswith("later"):
            return "451 4.3.0 come back later"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server, session, envelope):
        name = uuid.uuid4().hex
        head = "".join(f"Delivered-To: {recipient}\r\n" for recipient in envelope.rcpt_tos)
        head = f"Return-Path: <{envelope.mail_from}>\r\n{head}"
        (FOLDER / "maildir/tmp" / name).write_bytes(head.encode() + envelope.original_content)
        os.rename(FOLDER / "maildir/tmp" / name, FOLDER / "maildir/new" / name)
        return "250 2.0.0 kept"


def authenticate(server, session, envelope, mechanism, login):
    right = (login.login.decode(), login.password.decode()) == (GIVEN["user"], GIVEN["password"])
    return AuthResult(success=right, handled=right)


def context():
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(GIVEN["chain"], GIVEN["key"])
    return made


async def main():
    loop = asyncio.get_running_loop()
    mode = GIVEN["mode"]
    settings = {"authenticator": authenticate, "auth_required": GIVEN["user"] is not None, "enable_SMTPUTF8": True,
                "auth_require_tls": mode == "starttls", "auth_exclude_mechanism": GIVEN["without"]}
    if mode == "starttls":
        settings |= {"tls_context": context(), "require_starttls": True}

    def connection():
        return Recorded(Keeper(), loop=loop, hostname="smarthost.example", **settings)

    server = await loop.create_server(connection, "127.0.0.1", GIVEN["port"],
                                      ssl=context() if mode == "implicit" else None)
    async with server:
        await server.serve_forever()


asyncio.run(main())
