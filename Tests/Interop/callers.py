"""Those who knock at port 25 and shouldn't get far: clients on lists, and clients that flood or crawl."""

import smtplib
import socket
import struct
import threading
import time

from harness import ARRIVAL_SECONDS, Letter, case, check, program, run
from names import wait_for
from peers.nsd import Nsd, UDPAnswerer
from reloads import change, hang_up
from serve import Serve
from wire import Closed, Wire

GROUP = "callers"


def nibbles(address):
    """An IPv6 address as a list has it (RFC 5782 §2.4)."""
    return ".".join(reversed(socket.inet_pton(socket.AF_INET6, address).hex()))


# The test entries that every list has (RFC 5782 §5), one client of each family, and one by another answer.
LISTED = f"""
2.0.0.127 IN A 127.0.0.2
66.2.0.192 IN A 127.0.0.4
66.2.0.192 IN TXT "listed for spam, see https://list.test/?192.0.2.66"
77.2.0.192 IN A 127.0.0.10
{nibbles("::ffff:7f00:2")} IN A 127.0.0.2
{nibbles("2001:db8::66")} IN A 127.0.0.2
"""


def proxied(source):
    """The header by which a trusted proxy says for whom it speaks (PROXY protocol, version 2)."""
    family, pack, here = ((0x21, socket.AF_INET6, "2001:db8::25") if ":" in source
                          else (0x11, socket.AF_INET, "192.0.2.25"))
    block = socket.inet_pton(pack, source) + socket.inet_pton(pack, here) + struct.pack("!HH", 40_000, 25)
    return b"\r\n\r\n\0\r\nQUIT\n\x21" + bytes([family]) + struct.pack("!H", len(block)) + block


class Guarded(Serve):
    """A server whose clients come through a proxy on this machine, so that they can have any address."""

    def settings(self, *arguments):
        port = self.ports["relay"]
        return super().settings(*arguments).replace(
            f"  relay: 127.0.0.1:{port}", f"  relay: {{addresses: '127.0.0.1:{port}', proxy_from: 127.0.0.1}}")

    def caller(self, source):
        """A client with this address, greeted and past EHLO."""
        wire = Wire(self.ports["relay"])
        wire.send(proxied(source))
        wire.expect(220)
        wire.ask("EHLO client.example.net", 250)
        return wire

    def answers(self, source, *recipients):
        """What RCPT hears, for each of them."""
        with self.caller(source) as wire:
            wire.ask("MAIL FROM:<x@client.example.net>", 250)
            answers = [wire.ask(f"RCPT TO:<{recipient}>", 250, 550).text for recipient in recipients]
            wire.ask("QUIT", 221)
        return answers


def dns(bench, server):
    """The section of a server that asks another one, in whose zones nothing is signed."""
    anchors = bench.place("callers") / "anchors"
    anchors.write_text("elsewhere.test. IN DS 20326 8 2 "
                       "E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n")
    return f"dns:\n  servers: {server}\n  trust_anchors: {anchors}\n  probe: {{secure: [], bogus: []}}"


def lists(zone, more=""):
    return f"inbound:\n  dns_lists:\n    - zone: {zone}{more}"


def zones(bench):
    def made():
        nsd = Nsd(bench.place("lists"), {
            "list.test": LISTED, "world.test": "* IN A 127.0.0.2\n", "nobody.test": "",
            "turns-away.test": "* IN A 127.255.255.254\n"})
        return nsd.start()

    return bench.once("lists", made)


@case("a listed client's recipients are refused in the list's own words, the postmaster's and other clients' mail comes in",
      GROUP)
def listed(bench):
    nsd = zones(bench)
    server = Guarded(bench.martlet, bench.place("listed"), limits="\n".join([
        dns(bench, nsd.address), lists("list.test", "\n      answers: [127.0.0.2-127.0.0.9]\n      name: the test list")]))
    try:
        deadline = time.monotonic() + ARRIVAL_SECONDS
        # The first sessions may come before the list has passed its test.
        while not (said := server.answers("192.0.2.66", "bob@example.org"))[0].startswith("550"):
            check(time.monotonic() < deadline, f"the list is not gone by: {said}\n{server.log()}")
            time.sleep(0.1)
        check(said == ["550 5.7.1 192.0.2.66 is listed by the test list: listed for spam, see "
                       "https://list.test/?192.0.2.66"], said)
        line = wait_for(server, "session.listed", "recipient=bob@example.org", "peer=192.0.2.66:40000")
        check('list="the test list"' in line and "answer=127.0.0.4" in line and "action=refuse" in line, line)
        for source, code in (("192.0.2.66", "250"), ("2001:db8::66", "250")):
            for said in server.answers(source, "postmaster@example.org", "abuse@example.org", "postmaster"):
                check(said.startswith(code), f"{source} should reach the postmaster: {said}")
        # Another answer than those that count, another address, another family.
        for source, code in (("2001:db8::66", "550 5.7.1"), ("192.0.2.77", "250"), ("192.0.2.67", "250"),
                             ("2001:db8::67", "250")):
            (said,) = server.answers(source, "bob@example.org")
            check(said.startswith(code), f"{source} should hear {code}: {said}")

        # Programs as people run them: swaks speaks the proxy's header too.
        swaks = [program("swaks", "swaks"), "--server", f"127.0.0.1:{server.ports['relay']}", "--proxy-version", "2",
                 "--proxy-family", "AF_INET", "--proxy-protocol", "STREAM", "--proxy-source-port", "40000",
                 "--proxy-dest", "192.0.2.25", "--proxy-dest-port", "25", "--proxy-command", "PROXY",
                 "--from", "x@client.example.net", "--to", "bob@example.org", "--proxy-source"]
        code, output = run(swaks + ["192.0.2.66"])
        check(code == 24 and "550 5.7.1 192.0.2.66 is listed by the test list" in output, f"{code}: {output}")
        code, output = run(swaks + ["192.0.2.67"])
        check(code == 0, f"{code}: {output}")

        letter = Letter(sender="x@client.example.net", to=["bob@example.org"])
        client = smtplib.SMTP(timeout=30)
        client.sock = socket.create_connection(("127.0.0.1", server.ports["relay"]), timeout=30)
        client.sock.sendall(proxied("192.0.2.67"))
        check(client.getreply()[0] == 220, "smtplib should be greeted")
        client.sendmail(letter.sender, letter.to, letter.wire)
        client.quit()
        server.maildir.wait(letter)
    finally:
        server.stop()


@case("a list that lists everybody, nobody, or turns us away isn't gone by: check and a standing alarm say so", GROUP)
def broken_lists(bench):
    nsd = zones(bench)
    server = Guarded(bench.martlet, bench.place("broken"), limits="\n".join([dns(bench, nsd.address), lists("world.test")]))
    try:
        for zone, words, following in (("world.test", "lists 127.0.0.1", "nobody.test"),
                                       ("nobody.test", "does not list 127.0.0.2", "turns-away.test"),
                                       ("turns-away.test", "127.255.255.254", "list.test")):
            line = wait_for(server, "server.alarm", "what=dns-list-fails", f"list={zone}")
            check(words in line and "remedy=" in line, line)
            (said,) = server.answers("192.0.2.1", "bob@example.org")
            check(said.startswith("250"), f"{zone} should list nobody: {said}")
            code, output = run([bench.martlet, "check", "--config", server.config])
            check(code == 0 and words in output and f":{zone_line(server)}:" in output, f"{zone}: {code}: {output}")
            code, output = run([bench.martlet, "queue", "status", "--config", server.config])
            check(code == 0 and output.count("dns-list-fails") == 1, f"one alarm should stand: {output}")
            change(server, (f"zone: {zone}", f"zone: {following}"))
            hang_up(server, ["server.alarm", "clears=dns-list-fails", f"list={zone}"])
        code, output = run([bench.martlet, "check", "--config", server.config])
        check(code == 0 and "the list" not in output, f"list.test is good: {output}")
    finally:
        server.stop()


def zone_line(server):
    lines = server.config.read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if "- zone:" in line)


@case("name servers of a list that say nothing hold up nobody's mail, and are said", GROUP)
def silent_list(bench):
    silent = UDPAnswerer(lambda question: None)
    server = Guarded(bench.martlet, bench.place("silent"), limits="\n".join([dns(bench, silent.address), lists("list.test")]))
    try:
        started = time.monotonic()
        (said,) = server.answers("192.0.2.66", "bob@example.org")
        took = time.monotonic() - started
        check(said.startswith("250") and took < 4, f"after {took:.1f} s: {said}")
        line = wait_for(server, "server.alarm", "what=dns-list-fails", "list=list.test")
        check("no answer within 5 s" in line, line)
        started = time.monotonic()
        check(server.stop() and time.monotonic() - started < 5, "its look-ups should not hold up the server's end")
    finally:
        server.stop()
        silent.stop()


# Floods

LIMITS = """limits:
  idle_commands: 10
  refusals: 10
  junk_commands: 5
  connections_per_address: 20"""


def ended(wire, line, count):
    """What comes back of so many lines sent in one go, to the end of the connection."""
    with wire:
        wire.expect(220)
        wire.ask("EHLO client.example.net", 250)
        replies = []
        try:
            if line.startswith("RCPT"):
                wire.ask("MAIL FROM:<x@client.example.net>", 250)
            wire.send((line + "\r\n") * count)
            while True:
                replies.append(wire.line())
        except (Closed, OSError):
            pass
    return replies


@case("whoever floods port 25 with commands is heard for so long, told why it ends, and turned away where it guessed",
      GROUP)
def command_floods(bench):
    server = Serve(bench.martlet, bench.place("floods"), limits=LIMITS)
    try:
        for line, count, words, end in (
                ("NOOP", 9, "too many commands and no mail", "too-many-idle-commands"),
                ("RSET", 9, "too many commands and no mail", "too-many-idle-commands"),
                ("VRFY bob", 9, "too many commands and no mail", "too-many-idle-commands"),
                ("XYZZY", 5, "too many errors", "too-many-errors"),
                ("RCPT TO:<nobody@example.org>", 10, "too many refused addresses", "too-many-refusals")):
            replies = ended(Wire(server.ports["relay"]), line, 5_000)
            check(len(replies) == count + 1, f"{line}: {count} should be heard, not {len(replies) - 1}")
            check(replies[-1].startswith("421 4.7.0 ") and words in replies[-1], f"{line}: {replies[-1]}")
            wait_for(server, "session.closed", f"end={end}", "peer=127.0.0.1")
        with Wire(server.ports["relay"]) as wire:
            reply = wire.expect(421)
            check("too much from your address" in reply.text, reply)
        wait_for(server, "session.address-limited", "what=refusals")
    finally:
        server.stop()


@case("beyond the bound on its connections an address hears 421, one line says so, and others are served as before", GROUP)
def connection_flood(bench):
    server = Guarded(bench.martlet, bench.place("connections"), limits=LIMITS)
    flood = []
    try:
        for _ in range(60):
            wire = Wire(server.ports["relay"])
            wire.send(proxied("192.0.2.66"))
            flood.append(wire)
        codes = [wire.expect(220, 421).code for wire in flood]
        check(codes.count(220) == 20, f"20 should be greeted: {codes}")
        (said,) = server.answers("192.0.2.67", "bob@example.org")
        check(said.startswith("250"), f"another client should be served: {said}")
        wait_for(server, "session.address-limited", "what=connections-at-once", "peer=192.0.2.66:40000")
        check(server.background.output().count("session.address-limited") == 1, f"one line is enough:\n{server.log()}")
    finally:
        for wire in flood:
            wire.socket.close()
        server.stop()


# Slow clients

def crawl(wire, beginning):
    """Sends these octets, then zeros one by one, and gives the seconds until the server has had enough."""
    started = time.monotonic()
    wire.socket.settimeout(0.5)
    wire.send(beginning)
    while time.monotonic() - started < 60:
        try:
            if not wire.socket.recv(4096):
                break
        except TimeoutError:
            pass
        except OSError:
            break
        try:
            wire.send(b"\0")
        except OSError:
            break
    return time.monotonic() - started


@case("a PROXY header and a TLS hello that come one octet at a time have an end, on 465 and behind STARTTLS, and it is said",
      GROUP)
def crawlers(bench):
    server = Serve(bench.martlet, bench.place("crawlers"))
    guarded = Guarded(bench.martlet, bench.place("crawling-proxy"))
    # A handshake record of 4096 octets, with a ClientHello as long.
    hello = b"\x16\x03\x01\x10\x00\x01\x00\x0f\xfc\x03\x03"
    took = {}

    def behind_starttls():
        wire = Wire(server.ports["relay"])
        wire.expect(220)
        wire.ask("EHLO client.example.net", 250)
        wire.ask("STARTTLS", 220)
        return wire

    crawls = {
        "submissions": lambda: crawl(Wire(server.ports["submissions"]), hello),
        "relay": lambda: crawl(behind_starttls(), hello),
        # The length of a header of 256 octets, which don't come.
        "proxy": lambda: crawl(Wire(guarded.ports["relay"]), b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x01\0"),
    }
    try:
        threads = [threading.Thread(target=lambda name=name: took.__setitem__(name, crawls[name]())) for name in crawls]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for name, bound in (("submissions", 30), ("relay", 30), ("proxy", 5)):
            check(bound - 1 <= took[name] <= bound + 5, f"{name} should end after {bound} s, not {took[name]:.1f}")
        for listener in ("submissions", "relay"):
            line = wait_for(server, "session.closed", "end=handshake-failed", f"listener={listener}")
            check("not finished in time" in line, line)
        line = wait_for(guarded, "session.wrong-wrapper", "what=bad-proxy-header", "peer=127.0.0.1")
        check("no whole PROXY header" in line, line)
    finally:
        server.stop()
        guarded.stop()
