"""The mail server's side of the milter protocol, version 6, as far as a filter of headers and bodies needs it.

A filter is told a message field by field and may put fields in front of it or behind its header. Postfix and Sendmail
hand over header lines with LF between them and the body with CRLF; so does this one.
"""

import re
import socket
import struct

VERSION = 6
ACTIONS = 0x1FF  # whatever a filter may wish to change
STEPS = 0x1FFFFF  # whatever it may leave out or not answer, and header values with the white space in front of them
LEADING_SPACE = 0x100000
# What need not be answered, by command.
SILENT = {b"C": 0x1000, b"H": 0x2000, b"M": 0x4000, b"R": 0x8000, b"T": 0x10000, b"L": 0x80, b"N": 0x40000,
          b"B": 0x80000}
# What need not be sent.
LEFT_OUT = {b"C": 0x1, b"H": 0x2, b"M": 0x4, b"R": 0x8, b"B": 0x10, b"L": 0x20, b"N": 0x40, b"T": 0x200}
BODY_OCTETS = 65535


class Milter:
    """One connection to a filter on a UNIX socket; as many messages as one likes."""

    def __init__(self, path, client="127.0.0.1"):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(str(path))
        self.send(b"O", struct.pack("!III", VERSION, ACTIONS, STEPS))
        command, answer = self.receive()
        if command != b"O":
            raise ConnectionError(f"the filter answers {command!r} to the options")
        _, _, self.steps = struct.unpack("!III", answer[:12])
        self.tell(b"C", b"client.example.net\0" + b"4" + struct.pack("!H", 25) + client.encode() + b"\0")
        self.tell(b"H", b"client.example.net\0")

    def filtered(self, message, sender=b"joe@example.org", recipient=b"sue@example.net"):
        """The fields the filter adds to a message with CRLF, and its last answer: `c` or `a`, else a refusal."""
        head, _, body = message.partition(b"\r\n\r\n")
        # DATA ends with a line's end, whatever the message ends with (RFC 5321 §4.1.1.4).
        if body and not body.endswith(b"\r\n"):
            body += b"\r\n"
        self.send(b"D", b"Mi\0" b"4NqX0y0Yz0\0")
        self.tell(b"M", b"<" + sender + b">\0")
        self.tell(b"R", b"<" + recipient + b">\0")
        self.tell(b"T", b"")
        for field in re.split(rb"\r\n(?![ \t])", head):
            name, value = field.split(b":", 1)
            if not self.steps & LEADING_SPACE:
                value = value.removeprefix(b" ")
            self.tell(b"L", name + b"\0" + value.replace(b"\r\n", b"\n") + b"\0")
        self.tell(b"N", b"")
        for start in range(0, len(body), BODY_OCTETS):
            self.tell(b"B", body[start:start + BODY_OCTETS])
        self.send(b"E", b"")
        added = []
        while True:
            command, answer = self.receive()
            if command in (b"h", b"i"):
                name, value = answer[4 * (command == b"i"):].split(b"\0")[:2]
                space = b"" if self.steps & LEADING_SPACE else b" "
                added.append(name + b":" + space + re.sub(rb"\r?\n", b"\r\n", value) + b"\r\n")
            elif command in b"cartdy":
                return added, command.decode()

    def tell(self, command, data):
        if self.steps & LEFT_OUT.get(command, 0):
            return
        self.send(command, data)
        if not self.steps & SILENT.get(command, 0):
            answer, text = self.receive()
            if answer not in (b"c", b"s"):
                raise ConnectionError(f"the filter answers {answer + text!r} to {command + data[:60]!r}")

    def send(self, command, data):
        self.socket.sendall(struct.pack("!I", 1 + len(data)) + command + data)

    def receive(self):
        length, = struct.unpack("!I", self.exactly(4))
        packet = self.exactly(length)
        return packet[:1], packet[1:]

    def exactly(self, count):
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                raise ConnectionError("the filter has closed the connection")
            data += more
        return data

    def close(self):
        self.send(b"Q", b"")
        self.socket.close()
