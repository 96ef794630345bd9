"""DKIM signatures, both ways with dkimpy: what one signs the other verifies, and what was changed neither does."""

import base64
import json
import re
import subprocess

from harness import PROJECT, Missing, case, check, venv_python

GROUP = "auth"
TOOL = PROJECT / "Tests/Interop/peers/dkimpy_tool.py"
DOMAIN = "example.org"
WAYS = ("simple", "relaxed")

HEADER = ("From: Joe <joe@example.org>\r\nTo: Sue <sue@example.net>,\r\n\tJim <jim@example.net>\r\nSubject:  An  invoice \r\n"
          "Date: Mon, 02 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.org>\r\nMIME-Version: 1.0\r\n"
          "Content-Type: text/plain; charset=utf-8\r\n\r\n")
BODIES = {
    "empty": "", "one line": "x\r\n", "no last line end": "x", "only line ends": "\r\n\r\n\r\n",
    "white space": "a  b\t\tc \r\n \r\n\td\r\n\r\n", "dots": ".\r\n..\r\n. x\r\n", "eight bits": "Grüße, Zoë\r\n",
    "base64": "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0NTY3ODkr\r\n" * 4000,
    "prose": "It was the best of times,  it was the worst of times, \tit was the age of wisdom.  \r\n" * 4000,
}


class Keys:
    """Of each kind one, made by openssl, in the forms that the two sides want."""

    def __init__(self, folder):
        self.files, self.private, self.records = {}, {}, {}
        for kind, wish in (("rsa", ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"]), ("ed25519", ["ED25519"])):
            file = folder / f"{kind}.pem"
            openssl("genpkey", "-algorithm", *wish, "-out", str(file))
            public = openssl("pkey", "-in", str(file), "-pubout", "-outform", "DER")
            self.files[kind] = file
            if kind == "rsa":
                self.private[kind] = openssl("rsa", "-in", str(file), "-traditional").decode()
            else:
                der = openssl("pkey", "-in", str(file), "-outform", "DER")
                self.private[kind] = base64.b64encode(der[-32:]).decode()
                public = public[-32:]
            self.records[f"{kind}._domainkey.{DOMAIN}"] = f"v=DKIM1; k={kind}; p={base64.b64encode(public).decode()}"
        self.zone = folder / "keys.zone"
        self.zone.write_text(zone(self.records))


def zone(records):
    """TXT records by name, as a zone file has them."""
    return "".join(
        re.sub(r"([()])", r"\\\1", name) + " TXT "
        + " ".join(f'"{text[i:i + 255]}"' for i in range(0, len(text), 255)) + "\n"
        for name, text in records.items())


def openssl(*words):
    done = subprocess.run(["openssl", *words], capture_output=True)
    if done.returncode != 0:
        raise Missing(f"openssl {words[0]}: {done.stderr.decode(errors='replace')[-200:]}")
    return done.stdout


def dkimpy(requests):
    done = subprocess.run([venv_python("dkim"), str(TOOL)], input=json.dumps(requests).encode(), capture_output=True)
    check(done.returncode == 0, f"dkimpy ended with {done.returncode}: {done.stderr.decode(errors='replace')[-2000:]}")
    return json.loads(done.stdout)


def martlet_signs(bench, keys, kind, message):
    done = subprocess.run(
        [bench.martlet, "dkim", "sign", "--domain", DOMAIN, "--selector", kind, "--key", str(keys.files[kind]), "-"],
        input=message, capture_output=True)
    check(done.returncode == 0, f"martlet dkim sign ended with {done.returncode}: {done.stderr.decode()}")
    check(done.stdout.endswith(message), "the message is not below its signature as it was")
    return done.stdout


def martlet_verifies(bench, keys, message):
    done = subprocess.run(
        [bench.martlet, "dkim", "verify", "--json", "--zone", str(keys.zone), "-"], input=message, capture_output=True)
    check(done.returncode in (0, 1), f"martlet dkim verify ended with {done.returncode}: {done.stderr.decode()}")
    return [(one["result"], one["reason"]) for one in json.loads(done.stdout)["dkim"]]


def asked(message, keys, signatures=1):
    return {"do": "verify", "message": base64.b64encode(message).decode(), "records": keys.records,
            "signatures": signatures}


def changed(message):
    """The same with one octet changed at a time: in a signed field, and in the body where there is one."""
    yield message.replace(b"Joe <joe", b"Jon <joe")
    head, body = message.split(b"\r\n\r\n", 1)
    yield head + b"\r\n\r\n" + body + b"P.S.\r\n"


@case("dkim sign says what it can't sign, or can't write, and signs nothing of it", GROUP)
def unsignable(bench):
    keys = Keys(bench.place("dkim-unsignable"))
    folder = bench.place("dkim-unsignable-messages")

    def signs(message, output=subprocess.PIPE, key=keys.files["rsa"]):
        return subprocess.run(
            [bench.martlet, "dkim", "sign", "--domain", DOMAIN, "--selector", "rsa", "--key", str(key), str(message)],
            stdout=output, stderr=subprocess.PIPE)

    good = folder / "good.eml"
    good.write_bytes((HEADER + "one\r\n").encode())
    for name, text in (("lf-in-crlf", HEADER + "one\ntwo\r\n"),
                       ("crlf-in-lf", (HEADER + "one\r\n").replace("\r\n", "\n") + "two\r\n")):
        mixed = folder / name
        mixed.write_bytes(text.encode())
        done = signs(mixed)
        line = text.count("\n", 0, text.rindex("one" if name == "lf-in-crlf" else "two")) + 1
        check(done.returncode == 65 and not done.stdout, f"{name}: {done.returncode}, {done.stdout[:100]}")
        check(f"line {line} ends otherwise".encode() in done.stderr, f"{name}: {done.stderr.decode()}")
    for path, code, words in ((folder, 74, b"it is a folder"), (folder / "none", 66, b"there is no such file")):
        done = signs(path)
        check(done.returncode == code and words in done.stderr, f"{path}: {done.returncode}, {done.stderr.decode()}")
    with open("/dev/full", "wb") as full:
        done = signs(good, full)
    check(done.returncode == 74 and b"can't be written: No space left" in done.stderr,
          f"a full disk: {done.returncode}, {done.stderr.decode()}")
    done = signs(good)
    check(done.returncode == 0 and done.stdout and not done.stderr, f"the good one is signed: {done.stderr.decode()}")
    for bits, code, words in ((1024, 0, b"2048"), (512, 65, b"1024 bits or more")):
        short = folder / f"{bits}.pem"
        openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{bits}", "-out", str(short))
        done = signs(good, key=short)
        check(done.returncode == code and words in done.stderr and bool(done.stdout) == (code == 0),
              f"{bits} bits: {done.returncode}, {done.stderr.decode()}")


@case("dkimpy verifies what Martlet signs, of every kind of body, and nothing that was changed", GROUP,
      ids=("DKIM-001", "DKIM-003", "DKIM-004", "DKIM-007"))
def martlet_to_dkimpy(bench):
    keys = Keys(bench.place("dkim-out"))
    requests, wanted = [], []
    for name, body in BODIES.items():
        message = (HEADER + body).encode()
        for kind in keys.files:
            signed = martlet_signs(bench, keys, kind, message)
            requests.append(asked(signed, keys))
            wanted.append((name, kind, True))
            for other in changed(signed):
                requests.append(asked(other, keys))
                wanted.append((name, kind, False))
        both = martlet_signs(bench, keys, "rsa", martlet_signs(bench, keys, "ed25519", message))
        requests.append(asked(both, keys, signatures=2))
        wanted.append((name, "both", True))
    for (name, kind, good), found in zip(wanted, dkimpy(requests)):
        check(all((verdict is True) == good for verdict in found["verdicts"]), f"{name}, {kind}: {found['verdicts']}")
    return f"{len(requests)} messages"


@case("Martlet verifies what dkimpy signs, in every canonicalization, and nothing that was changed", GROUP,
      ids=("DKIM-001", "DKIM-003", "DKIM-004", "DKIM-009"))
def dkimpy_to_martlet(bench):
    keys = Keys(bench.place("dkim-in"))
    messages, requests = [], []
    for name, body in BODIES.items():
        for kind in keys.files:
            for way in [(header, body_way) for header in WAYS for body_way in WAYS]:
                messages.append((f"{name}, {kind}, {'/'.join(way)}", (HEADER + body).encode()))
                requests.append({
                    "do": "sign", "message": base64.b64encode(messages[-1][1]).decode(), "selector": kind,
                    "domain": DOMAIN, "key": keys.private[kind], "canonicalize": way, "algorithm": f"{kind}-sha256"})
    for (name, message), found in zip(messages, dkimpy(requests)):
        signed = base64.b64decode(found["field"]) + message
        verdicts = martlet_verifies(bench, keys, signed)
        check([result for result, _ in verdicts] == ["pass"], f"{name}: {verdicts}")
        for other in changed(signed):
            verdicts = martlet_verifies(bench, keys, other)
            check([result for result, _ in verdicts] == ["fail"], f"{name}, changed: {verdicts}")
    return f"{len(requests)} messages"
