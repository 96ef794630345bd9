"""Unmodified mail clients submit with a password over TLS, and the message arrives as it was written.

Every client checks the certificate against the CA that `martlet dev` made, and the host name against `localhost`.
"""

import glob
import json
import os
import smtplib
import ssl
import subprocess
import threading
from pathlib import Path

from harness import FOLDER, PEERS, Failed, Letter, Missing, case, check, program, run, run_client, venv_python
from wire import plain, trusting


def arrives(bench, letter, protocol="ESMTPSA"):
    """The letter is in the Maildir: whole, and marked with how it came."""
    for delivered in bench.dev.maildir.wait(letter):
        delivered.check_intact(letter)
        delivered.check_received(protocol)


# openssl s_client: a person at a terminal

class SClient:
    """`openssl s_client` spoken to line by line."""

    def __init__(self, bench, port, *options):
        self.process = subprocess.Popen(
            [program("openssl", "openssl"), "s_client", "-connect", f"localhost:{port}", "-quiet", "-crlf",
             "-CAfile", bench.dev.ca, "-verify_return_error", "-verify_hostname", "localhost", *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        # A dialogue that hangs is cut off, which ends the reads below.
        self.alarm = threading.Timer(30, self.process.kill)
        self.alarm.start()

    def reply(self):
        while True:
            line = self.process.stdout.readline().decode("utf-8", "replace").rstrip("\r\n")
            if not line:
                raise Failed("s_client ended: " + self.process.stderr.read().decode("utf-8", "replace")[-1500:])
            if line[3:4] != "-":
                return line

    def say(self, text, code):
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()
        line = self.reply()
        check(line.startswith(str(code)), f"{text[:60]!r}: {code} expected, got {line}")

    def submit(self, bench, letter):
        self.say("EHLO client.example.org", 250)
        self.say(f"AUTH PLAIN {plain(bench.dev.user, bench.dev.password)}", 235)
        self.say(f"MAIL FROM:<{letter.sender}>", 250)
        for recipient in letter.to:
            self.say(f"RCPT TO:<{recipient}>", 250)
        self.say("DATA", 354)
        self.say(letter.text + ".", 250)
        self.say("QUIT", 221)

    def close(self):
        self.alarm.cancel()
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            stream.close()


@case("openssl s_client submits over implicit TLS on 465", ids=("ITLS-001", "AUTH-013"))
def openssl_implicit(bench):
    letter = Letter()
    client = SClient(bench, bench.dev.ports["submissions"])
    try:
        check(client.reply().startswith("220"), "no greeting inside TLS")
        client.submit(bench, letter)
    finally:
        client.close()
    arrives(bench, letter)


@case("openssl s_client submits after STARTTLS on 587", ids=("ITLS-001", "AUTH-013"))
def openssl_starttls(bench):
    letter = Letter()
    client = SClient(bench, bench.dev.ports["submission"], "-starttls", "smtp")
    try:
        client.submit(bench, letter)
    finally:
        client.close()
    arrives(bench, letter)


# smtplib of Python

def authenticate(server, bench, mechanism):
    """One named mechanism: `login` would choose CRAM-MD5 by itself where it is offered."""
    server.ehlo()
    server.user, server.password = bench.dev.user, bench.dev.password
    code, text = server.auth(mechanism, {"PLAIN": server.auth_plain, "LOGIN": server.auth_login}[mechanism])
    check(code == 235, f"AUTH {mechanism} answered {code} {text!r}")


def smtplib_submits(bench, role, mechanism, letter=None, host="localhost", options=()):
    letter = letter or Letter()
    context = trusting(bench.dev.ca)
    port = bench.dev.ports[role]
    if role == "submissions":
        server = smtplib.SMTP_SSL(host, port, context=context, timeout=30)
    else:
        server = smtplib.SMTP(host, port, timeout=30)
    with server:
        if role != "submissions":
            server.starttls(context=context)
        authenticate(server, bench, mechanism)
        refused = server.sendmail(letter.sender, letter.to, letter.wire, mail_options=options)
        check(not refused, f"recipients refused: {refused}")
    return letter


@case("smtplib submits on 465 with AUTH PLAIN", ids=("ITLS-001", "ITLS-009", "AUTH-020", "PLAIN-001"))
def smtplib_465_plain(bench):
    arrives(bench, smtplib_submits(bench, "submissions", "PLAIN"))


@case("smtplib submits on 465 with AUTH LOGIN", ids=("LOGIN-001",))
def smtplib_465_login(bench):
    arrives(bench, smtplib_submits(bench, "submissions", "LOGIN"))


@case("smtplib submits on 587 with AUTH PLAIN", ids=("SUBOP-001",))
def smtplib_587_plain(bench):
    arrives(bench, smtplib_submits(bench, "submission", "PLAIN"))


@case("smtplib submits on 587 with AUTH LOGIN")
def smtplib_587_login(bench):
    arrives(bench, smtplib_submits(bench, "submission", "LOGIN"))


@case("smtplib submits on 2525 with AUTH PLAIN")
def smtplib_2525_plain(bench):
    arrives(bench, smtplib_submits(bench, "alternate", "PLAIN"))


@case("smtplib submits on 2525 with AUTH LOGIN")
def smtplib_2525_login(bench):
    arrives(bench, smtplib_submits(bench, "alternate", "LOGIN"))


@case("smtplib verifies the certificate for the address 127.0.0.1 too")
def smtplib_address(bench):
    arrives(bench, smtplib_submits(bench, "submissions", "PLAIN", host="127.0.0.1"))


@case("smtplib submits over IPv6 where the machine has it")
def smtplib_ipv6(bench):
    if not Path("/proc/net/if_inet6").exists() or "00000000000000000000000000000001" not in Path(
            "/proc/net/if_inet6").read_text():
        raise Missing("this machine has no ::1")
    arrives(bench, smtplib_submits(bench, "submissions", "PLAIN", host="::1"))


@case("smtplib refuses a Martlet whose CA it does not trust")
def smtplib_distrusts(bench):
    # The check of every other case would be worth nothing if clients here accepted any certificate.
    context = ssl.create_default_context()
    try:
        smtplib.SMTP_SSL("localhost", bench.dev.ports["submissions"], context=context, timeout=30).close()
    except ssl.SSLCertVerificationError:
        return
    raise Failed("the handshake should have failed")


@case("a message of 2 MiB arrives whole", ids=("SMTP-033",))
def two_mebibytes(bench):
    line = "All night the rain came over the moor, and towards morning it stopped.\n"
    letter = Letter(body=line * (2 * 1024 * 1024 // len(line) + 1))
    arrives(bench, smtplib_submits(bench, "submissions", "PLAIN", letter))


@case("lines that begin with dots arrive with as many dots as they had", ids=("SMTP-008",))
def leading_dots(bench):
    letter = Letter(body=".\n..\n...\n.one\n..two\n. \n\n.\n")
    arrives(bench, smtplib_submits(bench, "submission", "PLAIN", letter))


@case("a body in UTF-8 arrives octet by octet under BODY=8BITMIME", ids=("8BIT-001",))
def utf8_body(bench):
    letter = Letter(body="Grüße aus Zürich — 燕 🐦\nÆØÅ\n", utf8=True)
    arrives(bench, smtplib_submits(bench, "submissions", "PLAIN", letter, options=["BODY=8BITMIME"]))


@case("three recipients each get the message, and none of them sees Bcc", ids=("SMTP-045",))
def blind_copies(bench):
    visible = ["bob@example.net", "carol@example.com"]
    letter = Letter(to=visible, extra_fields=["Bcc: dave@example.org"])
    expected = letter.text.replace("Bcc: dave@example.org\n", "")
    recipients = visible + ["dave@example.org"]
    with smtplib.SMTP_SSL("localhost", bench.dev.ports["submissions"], context=trusting(bench.dev.ca)) as server:
        authenticate(server, bench, "PLAIN")
        server.sendmail(letter.sender, recipients, letter.wire)
    found = bench.dev.maildir.wait(letter, files=len(recipients))
    check(sorted(sum((delivered.fields("Delivered-To") for delivered in found), [])) == sorted(recipients),
          f"Delivered-To should name each recipient once: {[d.fields('Delivered-To') for d in found]}")
    for delivered in found:
        delivered.check_intact(letter, expected)
        check(not delivered.fields("Bcc"), "Bcc is still there")
        others = delivered.text.replace(expected, "")
        mine = delivered.fields("Delivered-To")[0]
        check("dave" not in others or mine == "dave@example.org", "a trace field shows the blind recipient")


# aiosmtplib

AIOSMTPLIB = """
import asyncio, json, ssl, sys
import aiosmtplib
given = json.loads(sys.argv[1])
message = sys.stdin.buffer.read()
context = ssl.create_default_context(cafile=given["ca"])
async def main():
    client = aiosmtplib.SMTP(hostname="localhost", port=given["port"], use_tls=given["implicit"],
                             start_tls=not given["implicit"], tls_context=context, timeout=30)
    async with client:
        await client.login(given["user"], given["password"])
        await client.sendmail(given["sender"], given["to"], message)
asyncio.run(main())
"""


def aiosmtplib_submits(bench, role):
    letter = Letter()
    given = {"ca": bench.dev.ca, "port": bench.dev.ports[role], "implicit": role == "submissions",
             "user": bench.dev.user, "password": bench.dev.password, "sender": letter.sender, "to": letter.to}
    run_client([venv_python("aiosmtplib"), "-c", AIOSMTPLIB, json.dumps(given)], letter.wire)
    arrives(bench, letter)


@case("aiosmtplib submits over implicit TLS on 465")
def aiosmtplib_implicit(bench):
    aiosmtplib_submits(bench, "submissions")


@case("aiosmtplib submits after STARTTLS on 587")
def aiosmtplib_starttls(bench):
    aiosmtplib_submits(bench, "submission")


# swaks

def swaks_submits(bench, role, *options):
    letter = Letter()
    message = bench.place("swaks") / "message"
    # swaks ends its data with a line break of its own.
    message.write_bytes(letter.wire.removesuffix(b"\r\n"))
    output = run_client(
        [program("swaks", "swaks"), "--server", "localhost", "--port", bench.dev.ports[role], *options,
         "--tls-verify", "--tls-ca-path", bench.dev.ca, "--auth", "PLAIN", "--auth-user", bench.dev.user,
         "--auth-password", bench.dev.password, "--from", letter.sender, "--to", ",".join(letter.to),
         "--ehlo", "client.example.org", "--data", f"@{message}" if swaks_reads_at() else str(message)])
    check("=== TLS started" in output, f"swaks did not start TLS:\n{output[-1500:]}")
    arrives(bench, letter)


def swaks_reads_at():
    """From 2020 on `--data @FILE` names a file; before that the bare name did."""
    _, output = run([program("swaks", "swaks"), "--version"])
    words = output.split()
    return len(words) > 2 and words[2][:8] >= "20201010"


@case("swaks submits with --tls-on-connect on 465")
def swaks_implicit(bench):
    swaks_submits(bench, "submissions", "--tls-on-connect")


@case("swaks submits with --tls on 587")
def swaks_starttls(bench):
    swaks_submits(bench, "submission", "--tls")


# Nodemailer

def nodemailer_submits(bench, role):
    node = program("node", "nodejs")
    # Debian keeps its Node modules here; another Node on the path finds them by this variable.
    modules = "/usr/share/nodejs"
    if not Path(modules, "nodemailer", "package.json").exists():
        raise Missing("nodemailer is missing: install node-nodemailer")
    letter = Letter()
    given = {"port": bench.dev.ports[role], "secure": role == "submissions", "ca": bench.dev.ca,
             "user": bench.dev.user, "password": bench.dev.password, "sender": letter.sender, "to": letter.to}
    run_client([node, FOLDER / "nodemailer.js", json.dumps(given)], letter.wire,
               env={**os.environ, "NODE_PATH": modules})
    arrives(bench, letter)


@case("Nodemailer submits with secure: true on 465")
def nodemailer_implicit(bench):
    nodemailer_submits(bench, "submissions")


@case("Nodemailer submits with requireTLS on 587")
def nodemailer_starttls(bench):
    nodemailer_submits(bench, "submission")


# Jakarta Mail

def jakarta_class_path():
    """Jakarta Mail, Jakarta Activation and, on newer systems, the Angus implementations."""
    names = ("jakarta-mail", "jakarta.mail", "jakarta-activation", "jakarta.activation", "angus-mail",
             "angus-activation")
    jars = [path for name in names for path in sorted(glob.glob(f"/usr/share/java/{name}*.jar"))
            if not any(part in path for part in ("mailapi", "gimap", "dsn"))]
    if not any("mail" in Path(jar).name for jar in jars):
        raise Missing("Jakarta Mail is missing: install libjakarta-mail-java")
    return ":".join(jars)


def jakarta_submits(bench, role):
    java, javac = program("java", "default-jdk-headless"), program("javac", "default-jdk-headless")
    class_path = jakarta_class_path()
    source = FOLDER / "JakartaSend.java"
    compiled = PEERS / "java"
    made = compiled / "JakartaSend.class"
    if not made.exists() or made.stat().st_mtime < source.stat().st_mtime:
        run_client([javac, "-d", compiled, "-cp", class_path, source], timeout=120)
    # Java reads its trusted certificates from a key store.
    store = bench.place("java") / "trusted.p12"
    run_client([program("keytool", "default-jdk-headless"), "-importcert", "-noprompt", "-alias", "ca", "-file",
                bench.dev.ca, "-keystore", store, "-storetype", "PKCS12", "-storepass", "changeit"])
    letter = Letter()
    run_client(
        [java, f"-Djavax.net.ssl.trustStore={store}", "-Djavax.net.ssl.trustStorePassword=changeit", "-cp",
         f"{compiled}:{class_path}", "JakartaSend", "smtps" if role == "submissions" else "smtp",
         bench.dev.ports[role], bench.dev.user, bench.dev.password, letter.sender, *letter.to], letter.wire)
    arrives(bench, letter)


@case("Jakarta Mail submits with smtps on 465")
def jakarta_implicit(bench):
    jakarta_submits(bench, "submissions")


@case("Jakarta Mail submits with starttls.required on 587")
def jakarta_starttls(bench):
    jakarta_submits(bench, "submission")


# curl

def curl_submits(bench, scheme, role, *options):
    letter = Letter()
    message = bench.place("curl") / "message"
    message.write_bytes(letter.wire)
    recipients = [part for recipient in letter.to for part in ("--mail-rcpt", recipient)]
    run_client(
        [program("curl", "curl"), "--silent", "--show-error", "--max-time", "30", "--url",
         f"{scheme}://localhost:{bench.dev.ports[role]}/client.example.org", *options, "--cacert", bench.dev.ca,
         "--user", f"{bench.dev.user}:{bench.dev.password}", "--mail-from", letter.sender, *recipients,
         "--upload-file", message])
    arrives(bench, letter)


@case("curl submits with smtps:// on 465")
def curl_implicit(bench):
    curl_submits(bench, "smtps", "submissions")


@case("curl submits with smtp:// and --ssl-reqd on 587")
def curl_starttls(bench):
    curl_submits(bench, "smtp", "submission", "--ssl-reqd")


# msmtp

def msmtp_submits(bench, role, authentication="plain"):
    letter = Letter()
    place = bench.place("msmtp")
    settings = place / "settings"
    settings.write_text(
        f"account default\nhost localhost\nport {bench.dev.ports[role]}\ntls on\n"
        f"tls_starttls {'off' if role == 'submissions' else 'on'}\ntls_trust_file {bench.dev.ca}\n"
        f"auth {authentication}\nuser {bench.dev.user}\npassword {bench.dev.password}\nfrom {letter.sender}\n"
        "timeout 30\n")
    settings.chmod(0o600)
    run_client([program("msmtp", "msmtp"), "-C", settings, "--", *letter.to], letter.text.encode())
    arrives(bench, letter)


@case("msmtp submits with tls_starttls off on 465")
def msmtp_implicit(bench):
    msmtp_submits(bench, "submissions")


@case("msmtp submits with tls_starttls on on 587")
def msmtp_starttls(bench):
    msmtp_submits(bench, "submission")


# Many at once

@case("twenty clients at once each get their message through")
def at_once(bench):
    letters, complaints = [Letter() for _ in range(20)], []

    def submit(letter):
        try:
            smtplib_submits(bench, "submissions", "PLAIN", letter)
        except Exception as problem:
            complaints.append(repr(problem))

    threads = [threading.Thread(target=submit, args=(letter,)) for letter in letters]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(not complaints, f"{len(complaints)} of 20 failed: {complaints[:3]}")
    for letter in letters:
        arrives(bench, letter)


# The relay port

@case("mail from another server arrives in cleartext on 25", ids=("STLS-012", "TRACE-001"))
def relay_cleartext(bench):
    letter = Letter()
    with smtplib.SMTP("localhost", bench.dev.ports["relay"], timeout=30) as server:
        server.sendmail(letter.sender, letter.to, letter.wire)
    arrives(bench, letter, "ESMTP")


@case("mail from another server arrives over STARTTLS on 25", ids=("TRACE-001",))
def relay_starttls(bench):
    letter = Letter()
    with smtplib.SMTP("localhost", bench.dev.ports["relay"], timeout=30) as server:
        server.starttls(context=trusting(bench.dev.ca))
        server.sendmail(letter.sender, letter.to, letter.wire)
    arrives(bench, letter, "ESMTPS")


@case("a program that says HELO is served on 25", ids=("SMTP-001", "SMTP-002"))
def relay_helo(bench):
    letter = Letter()
    with smtplib.SMTP("localhost", bench.dev.ports["relay"], timeout=30) as server:
        code, text = server.helo("old.example.org")
        check(code == 250 and b"\n" not in text, f"HELO has one line in its answer: {text!r}")
        server.mail(letter.sender)
        server.rcpt(letter.to[0])
        server.data(letter.wire)
    arrives(bench, letter, "SMTP")
