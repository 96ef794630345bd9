"""An SMTP dialogue in the bare: what stock clients will not say can be said here, over TCP or TLS."""

import base64
import re
import socket
import ssl

from harness import check

REPLY_SECONDS = 20


class Reply:
    """One whole reply, possibly of several lines."""

    def __init__(self, lines):
        self.lines = lines
        self.code = int(lines[0][:3])
        self.text = "\n".join(lines)

    def keywords(self):
        """The extension keywords of an EHLO reply, in capitals, with their parameters."""
        pairs = (line[4:].split(" ", 1) for line in self.lines[1:])
        return {pair[0].upper(): (pair[1] if len(pair) > 1 else "") for pair in pairs}

    def __str__(self):
        return self.text


class Closed(Exception):
    """The server closed the connection where a reply was awaited."""


class Wire:
    """A connection whose TLS runs over memory buffers, so that each TCP segment and its end are ours to choose."""

    def __init__(self, port, host="localhost", address="127.0.0.1", context=None, implicit=False, source=None):
        self.socket = socket.create_connection((address, port), timeout=REPLY_SECONDS,
                                               source_address=source and (source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.host, self.context = host, context
        self.tls = None
        self.buffer = b""
        self.received = b""
        if implicit:
            self.start_tls()

    def start_tls(self):
        """The client's handshake, with the certificate checked as the context says."""
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self.context.wrap_bio(self.incoming, self.outgoing, server_hostname=self.host)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.push()
                data = self.socket.recv(65536)
                if not data:
                    raise Closed("during the handshake") from None
                self.incoming.write(data)
            except ssl.SSLError:
                self.push()
                raise
        self.push()
        self.tls = tls

    def push(self):
        data = self.outgoing.read()
        if data:
            self.socket.sendall(data)

    def send(self, data):
        if isinstance(data, str):
            data = data.encode()
        if self.tls is None:
            self.socket.sendall(data)
        else:
            for start in range(0, len(data), 16384):
                self.tls.write(data[start:start + 16384])
                self.push()

    def finish(self, politely=False):
        """The end of our stream, TCP's FIN, behind whatever was sent; the server's replies can still be read.

        `politely` sends TLS's close_notify before it."""
        if politely:
            try:
                self.tls.unwrap()
            except ssl.SSLWantReadError:
                pass
            self.push()
        self.socket.shutdown(socket.SHUT_WR)

    def read(self):
        """Some bytes, or nothing at the end of the stream."""
        if self.tls is None:
            data = self.socket.recv(65536)
        else:
            data = self.read_tls()
        self.received += data
        return data

    def read_tls(self):
        while True:
            try:
                return self.tls.read(65536)
            except ssl.SSLWantReadError:
                data = self.socket.recv(65536)
                if not data:
                    return b""
                self.incoming.write(data)
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""

    def line(self):
        while b"\n" not in self.buffer:
            data = self.read()
            if not data:
                raise Closed(self.buffer.decode("utf-8", "replace"))
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        check(line.endswith(b"\r"), f"a reply line ends with CRLF: {line!r}")
        return line[:-1].decode("utf-8", "replace")

    def reply(self):
        lines = []
        while True:
            line = self.line()
            check(re.match(r"[2-5]\d\d([ -]|$)", line), f"not a reply line: {line!r}")
            lines.append(line)
            if len(line) == 3 or line[3] == " ":
                check(all(other[:3] == line[:3] for other in lines), f"codes differ within a reply: {lines}")
                return Reply(lines)

    def ask(self, command, *codes):
        """Sends a command line and gives the reply, whose code has to be among those named."""
        self.send(command + "\r\n")
        return self.expect(*codes, of=command)

    def expect(self, *codes, of="the greeting"):
        reply = self.reply()
        check(not codes or reply.code in codes, f"{of}: {' or '.join(map(str, codes))} expected, got {reply}")
        return reply

    def ends(self):
        """Reads to the end of the stream. True when the server closed it, False when it stayed open."""
        try:
            while data := self.read():
                self.buffer += data
            return True
        except (ConnectionResetError, BrokenPipeError):
            return True
        except TimeoutError:
            return False

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def trusting(ca):
    """A client context that trusts this CA alone and checks the host name."""
    return ssl.create_default_context(cafile=str(ca))


def plain(user, password):
    """The PLAIN message, in base64 (RFC 4616)."""
    return base64.b64encode(f"\0{user}\0{password}".encode()).decode()


def encoded(text):
    return base64.b64encode(text.encode()).decode()
