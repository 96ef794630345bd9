"""Mail exchangers that do as a case says, one thread a connection, and remember all that was said to them."""

import socket
import threading
from dataclasses import dataclass, field

from harness import Failed

EVERYTHING = ("PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES")


@dataclass
class Transaction:
    """What one connection brought up to its end of data."""
    sender: str = ""
    recipients: list = field(default_factory=list)
    content: bytes = b""


class Scripted:
    """Listens on `address`; `keywords` are its extensions, `name` its own. `answer` is given each command line and may
    give a reply in place of the ordinary one. With a `context` there is TLS from the first byte."""

    def __init__(self, address, port, name="scripted.example", keywords=EVERYTHING, answer=None, context=None):
        self.name, self.keywords, self.answer = name, keywords, answer or (lambda line: None)
        self.context = context
        self.lines, self.transactions = [], []
        self.socket = socket.create_server((address, port), backlog=100)
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        connection.settimeout(60)
        try:
            if self.context:
                connection = self.context.wrap_socket(connection, server_side=True)
            with connection, connection.makefile("rb") as stream:
                self.converse(connection, stream)
        except OSError:
            return

    def converse(self, connection, stream):
        def say(text):
            connection.sendall((text + "\r\n").encode())

        say(f"220 {self.name} ESMTP")
        current = Transaction()
        while line := stream.readline():
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            self.lines.append(text)
            verb = text.split(" ", 1)[0].upper()
            reply = self.answer(text)
            if reply is None:
                reply = self.ordinary(verb)
            if reply.startswith("2") and verb == "MAIL":
                current = Transaction(sender=text[10:])
            elif reply.startswith("2") and verb == "RCPT":
                current.recipients.append(text[8:])
            say(reply)
            if reply.startswith("354"):
                current.content = self.content(stream)
                self.transactions.append(current)
                say("250 2.0.0 kept")
            if verb == "QUIT":
                return

    def ordinary(self, verb):
        if verb == "EHLO":
            *others, last = [self.name, *self.keywords]
            return "".join(f"250-{word}\r\n" for word in others) + f"250 {last}"
        return {"DATA": "354 go on", "QUIT": "221 2.0.0 bye"}.get(verb, "250 2.0.0 ok" if verb in (
            "MAIL", "RCPT", "RSET", "NOOP") else "502 5.5.1 not here")

    @staticmethod
    def content(stream):
        lines = []
        while (line := stream.readline()) != b".\r\n":
            if not line:
                raise ConnectionError("the content had no end")
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)

    def holding(self, token):
        """The transactions that brought a letter, by its token."""
        return [one for one in list(self.transactions) if token.encode() in one.content]

    def said(self, word):
        return any(word in line for line in list(self.lines))

    def stop(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError as fault:
            raise Failed(f"a scripted server had gone: {fault}") from None
        self.socket.close()


class Sink(Scripted):
    """One that keeps the first octets of a message alone, and counts the others."""

    KEPT = 8192

    def __init__(self, *arguments, **settings):
        self.octets = 0
        super().__init__(*arguments, **settings)

    def content(self, stream):
        kept = b""
        while (line := stream.readline()) != b".\r\n":
            if not line:
                raise ConnectionError("the content had no end")
            self.octets += len(line)
            if len(kept) < self.KEPT:
                kept += line
        return kept
