"""What the server signs on the way out, and what it makes of mail that comes in, with the DNS of a real name server."""

import base64
import collections
import datetime
import json
import smtplib
import socket

from callers import Guarded, dns, proxied
from harness import Letter, case, check, run, run_client
from names import wait_for
from peers.nsd import Nsd
from reloads import hang_up
from serve import Serve
from signatures import dkimpy, zone

GROUP = "auth"
STRANGER = "192.0.2.66"

ZONES = {
    "example.org": "_dmarc IN TXT \"v=DMARC1; p=reject\"\n@ IN TXT \"v=spf1 -all\"\n",
    "sender.test": f"_dmarc IN TXT \"v=DMARC1; p=reject\"\n@ IN TXT \"v=spf1 ip4:{STRANGER} -all\"\n",
    "strict.test": "_dmarc IN TXT \"v=DMARC1; p=reject\"\n@ IN TXT \"v=spf1 -all\"\n",
    "mild.test": "_dmarc IN TXT \"v=DMARC1; p=quarantine\"\n",
    "alone.test": "@ IN TXT \"v=spf1 -all exp=why.alone.test\"\nwhy IN TXT \"ask %{c} to go by our servers\"\n",
    "test": "",
    "client.example.net": "@ IN TXT \"v=spf1 -all\"\n",
}


class Publisher:
    """A name server whose zones get records while it runs."""

    def __init__(self, folder):
        self.nsd = Nsd(folder, ZONES)
        # That a name isn't there is forgotten at once.
        for zone in ZONES:
            file = self.nsd.file(zone)
            file.write_text(file.read_text().replace("86400 300", "86400 0"))
        self.nsd.start()

    def publish(self, zone, text):
        self.nsd.stop()
        file = self.nsd.file(zone)
        file.write_text(file.read_text() + text)
        self.nsd.start()

    def stop(self):
        self.nsd.stop()


def keys(server, *words):
    """What `martlet dkim` prints as JSON, one object a line."""
    output = run_client([server.binary, "dkim", words[0], "--config", server.config, *words[1:], "--json"])
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def records(facts):
    """As lines of a zone file."""
    return zone({f"{key['name']}.": key["value"] for key in facts})


def published(server, names, facts, domain="example.org"):
    """Puts the records of keys into the DNS, and returns once the server signs by each of them."""
    names.publish(domain, records(facts))
    hang_up(server, ["server.reloaded", "what=signing-keys"])
    for key in facts:
        wait_for(server, "dkim.selector-changed", f"selector={key['selector']}", "standing=signing")
    return facts


def standings(server):
    return {key["selector"]: key["standing"] for key in keys(server, "list")}


@case("a submitted message is signed once the DNS shows the keys, a rotation goes on by itself, and dkimpy verifies", GROUP,
      ids=("DKIM-007", "DKIM-008"))
def signing(bench):
    place = bench.place("signing")
    names = Publisher(bench.place("signing-zones"))
    server = Serve(bench.martlet, place, limits=dns(bench, names.nsd.address))
    try:
        first = keys(server, "generate", "example.org")
        check({key["kind"] for key in first} == {"rsa", "ed25519"}, first)
        check(set(standings(server).values()) == {"waiting"}, standings(server))
        letter = Letter(to=["bob@example.org"], body="hello\n.\n..\n. dots\n\n\n")
        server.submit(letter)
        check("DKIM-Signature" not in server.maildir.wait(letter)[0].text, "signed with a key that nobody can find")

        published(server, names, first)
        letter = Letter(to=["bob@example.org"], body="hello\n.\n..\n. dots\n\n\n")
        server.submit(letter)
        arrived = server.maildir.wait(letter)[0]
        check(arrived.text.count("DKIM-Signature:") == 2, arrived.text[:2000])
        verify(server, arrived, first, place)

        second = keys(server, "rotate", "example.org")
        check(len(second) == 2 and not {k["selector"] for k in first} & {k["selector"] for k in second}, second)
        published(server, names, second)
        now = standings(server)
        check(all(now[key["selector"]] == "retired" for key in first), now)
        letter = Letter(to=["bob@example.org"])
        server.submit(letter)
        arrived = server.maildir.wait(letter)[0]
        check(all(f"s={key['selector']};" in arrived.text for key in second), arrived.text[:2000])
        verify(server, arrived, first + second, place)
        needed = {key["selector"] for key in keys(server, "records", "example.org")}
        check(needed == {key["selector"] for key in first + second}, needed)
    finally:
        server.stop()
        names.stop()


def verify(server, arrived, facts, place):
    published_keys = place / "keys.zone"
    published_keys.write_text(records(facts))
    file = place / "arrived.eml"
    file.write_bytes(arrived.bytes)
    code, output = run([server.binary, "dkim", "verify", "--zone", published_keys, "--json", file])
    results = [outcome["result"] for outcome in json.loads(output)["dkim"]]
    check(code == 0 and results == ["pass", "pass"], output)
    request = {"do": "verify", "message": base64.b64encode(arrived.bytes).decode(), "signatures": 2,
               "records": {key["name"]: key["value"] for key in facts}}
    (answer,) = dkimpy([request])
    check(answer["verdicts"] == [True, True], answer)


def send(server, sender, author, source=STRANGER, header=(), to="bob@example.org"):
    """What the end of data hears."""
    letter = Letter(sender=author, to=[to], extra_fields=header)
    client = smtplib.SMTP(local_hostname="client.example.net", timeout=90)
    client.sock = socket.create_connection(("127.0.0.1", server.ports["relay"]), timeout=90)
    client.sock.sendall(proxied(source))
    check(client.getreply()[0] == 220, "smtplib should be greeted")
    client.ehlo()
    try:
        client.sendmail(sender, [to], letter.wire)
    except smtplib.SMTPDataError as refusal:
        return refusal.smtp_code, refusal.smtp_error.decode(), letter
    except smtplib.SMTPRecipientsRefused as refusal:
        (code, text), = refusal.recipients.values()
        return code, text.decode(), letter
    finally:
        client.close()
    return 250, "", letter


def counted(server, domain):
    """What `martlet auth results` says as JSON: how often, in whose name, with what end. Midnight may be amid it."""
    counts = collections.Counter()
    today = datetime.datetime.now(datetime.timezone.utc).date()
    for day in (today - datetime.timedelta(days=1), today):
        output = run_client([server.binary, "auth", "results", "--config", server.config, "--json", "--day", day, domain])
        for fact in map(json.loads, output.splitlines()):
            check(fact["client"] == STRANGER, fact)
            counts[(fact["author_domain"], fact["disposition"], fact["override"].partition(":")[0])] += fact["count"]
    return counts


def results(message):
    (value,) = message.fields("Authentication-Results")
    return " ".join(value.split())


@case("mail of strangers is judged on 25: refused in the session, marked or taken, with Authentication-Results", GROUP,
      ids=("AR-001", "AR-002", "DMARC-006", "DMARC-007", "SPF-006", "ESC-005"))
def judging(bench):
    names = Publisher(bench.place("judging-zones"))
    server = Guarded(bench.martlet, bench.place("judging"), limits="\n".join(
        [dns(bench, names.nsd.address), "inbound:\n  authentication: enforce"]))
    try:
        code, text, letter = send(server, "a@sender.test", "a@sender.test", header=(
            "Authentication-Results: mail.example.org; dmarc=pass header.from=bank.test",
            "Authentication-Results: mx.elsewhere.test; spf=pass smtp.mailfrom=x.test"))
        check(code == 250, text)
        arrived = server.maildir.wait(letter)[0]
        found = arrived.fields("Authentication-Results")
        check(len(found) == 2 and found[1].startswith("mx.elsewhere.test;"), found)
        check(found[0] == "mail.example.org; spf=pass smtp.mailfrom=sender.test; spf=fail smtp.helo=client.example.net;"
              " dkim=none; dmarc=pass header.from=sender.test policy.dmarc=reject", found[0])
        check(arrived.text.index("\nAuthentication-Results: mail.example.org") < arrived.text.index("\nReceived:"),
              arrived.text[:600])
        wait_for(server, "message.accepted", "dmarc=\"pass sender.test\"", "forged-results=1")

        code, text, _ = send(server, "a@sender.test", "a@strict.test")
        check(code == 550 and "5.7.1" in text and "DMARC" in text, f"{code} {text}")
        wait_for(server, "message.unauthenticated", "dmarc=\"fail strict.test reject\"")
        code, text, letter = send(server, "a@sender.test", "a@strict.test", header=("List-Id: <l.sender.test>",))
        check(code == 250, text)
        check('reason="quarantine: DMARC failed' in results(server.maildir.wait(letter)[0]), "marked as suspicious")
        code, text, letter = send(server, "a@sender.test", "a@mild.test")
        check(code == 250 and "reason=\"quarantine:" in results(server.maildir.wait(letter)[0]), text)
        code, text, _ = send(server, "a@alone.test", "a@alone.test")
        check(code == 550 and "5.7.23" in text and f"ask {STRANGER} to go by our servers" in text, f"{code} {text}")
        code, text, letter = send(server, "a@strict.test", "a@strict.test", to="postmaster@example.org")
        check(code == 250, f"who is refused must be able to complain: {text}")
        server.maildir.wait(letter)[0]

        # From a network of our own nobody is a stranger.
        code, text, letter = send(server, "a@strict.test", "a@strict.test", source="192.168.7.7")
        check(code == 250 and not server.maildir.wait(letter)[0].fields("Authentication-Results"), text)

        # The same, only watched.
        server.config.write_text(server.config.read_text().replace("authentication: enforce", "authentication: monitor"))
        hang_up(server, ["server.reloaded", "what=configuration"])
        code, text, letter = send(server, "a@strict.test", "a@strict.test")
        check(code == 250 and "dmarc=fail" in results(server.maildir.wait(letter)[0]), text)
        wait_for(server, "message.accepted", "if-enforced=\"550 5.7.1 Message rejected per DMARC policy for strict.test\"")

        # A name server that is gone.
        names.stop()
        code, text, letter = send(server, "a@away.test", "a@away.test")
        check(code == 250 and "dmarc=temperror" in results(server.maildir.wait(letter)[0]), text)
        wait_for(server, "message.accepted", "unanswered=\"SPF of away.test: ", "if-enforced=\"451 4.4.3 ")

        # Counted by whose name it came in, by the server and without it.
        expected = {("strict.test", "none", "local_policy"): 2, ("strict.test", "quarantine", "mailing_list"): 1,
                    ("strict.test", "reject", ""): 1}
        check(counted(server, "strict.test") == expected, counted(server, "strict.test"))
        metrics = run_client([server.binary, "metrics", "--config", server.config])
        for outcome, count in ((("fail", "refused"), 1), (("fail", "marked"), 2), (("temperror", "taken"), 1)):
            sample = 'martlet_messages_judged_total{dmarc="%s",outcome="%s"} %d' % (*outcome, count)
            check(sample in metrics, f"{sample}: {metrics}")
        server.stop()
        check(counted(server, "strict.test") == expected, counted(server, "strict.test"))
        shown = run_client([server.binary, "auth", "results", "--config", server.config, "strict.test"])
        check("2 let in" in shown and f"1  refused  {STRANGER}" in shown, shown)
    finally:
        server.stop()
        names.stop()
