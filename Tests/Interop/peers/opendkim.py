"""OpenDKIM as a filter on a UNIX socket, which signs or verifies whatever the other side tells it."""

import contextlib
import re
import subprocess
import time

from harness import Background, Failed, program
from peers.milter import Milter

SERVICE = "verifier.example"


def algorithms():
    """What it was built to sign and verify with: rsa-sha256 at least, ed25519-sha256 where its cryptography has it."""
    said = subprocess.run([program("opendkim", "opendkim"), "-V"], capture_output=True, text=True).stdout
    return set(re.findall(r"^\s+((?:rsa|ed25519)-sha\d+)$", said, re.MULTILINE))


@contextlib.contextmanager
def filtering(folder, *lines):
    """A connection to one that runs with these lines of configuration, until the block ends."""
    socket = folder / "filter.sock"
    configuration = folder / "opendkim.conf"
    configuration.write_text("\n".join([
        f"Socket local:{socket}", "Syslog no", "Background no", "AutoRestart no", "RequireSafeKeys no", *lines]) + "\n")
    background = Background([program("opendkim", "opendkim"), "-f", "-x", configuration], folder / "opendkim.log")
    try:
        milter = connected(socket, background)
        yield milter
        milter.close()
    finally:
        # It has nothing to lose, and takes five seconds to end when asked to.
        background.stop(seconds=0.1)
        socket.unlink(missing_ok=True)


def connected(socket, background):
    until = time.monotonic() + 20
    while True:
        with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
            return Milter(socket)
        if background.process.poll() is not None or time.monotonic() > until:
            raise Failed(f"opendkim does not listen:\n{background.output()[-2000:]}")
        time.sleep(0.02)


def signing(folder, domain, kind, key, header_way, body_way):
    return filtering(
        folder, "Mode s", f"Domain {domain}", f"Selector {kind}", f"KeyFile {key}", f"SignatureAlgorithm {kind}-sha256",
        f"Canonicalization {header_way}/{body_way}")


def verifying(folder, records):
    """`records` by name, instead of the DNS."""
    keys = folder / "opendkim.keys"
    keys.write_text("".join(f"{name} {text}\n" for name, text in records.items()))
    return filtering(folder, "Mode v", f"AuthservID {SERVICE}", "AlwaysAddARHeader yes", f"TestPublicKeys {keys}")


def signature(milter, message):
    """The field that it puts above the message."""
    added, end = milter.filtered(message)
    fields = [field for field in added if field.lower().startswith(b"dkim-signature:")]
    if end not in "ca" or len(fields) != 1:
        raise Failed(f"opendkim signs with {fields}, and ends with {end}")
    return fields[0]


def verdicts(milter, message):
    """What its Authentication-Results says of each signature."""
    added, _ = milter.filtered(message)
    results = [field for field in added if field.lower().startswith(b"authentication-results:")]
    return re.findall(rb"\bdkim=(\w+)", b" ".join(results)), b" ".join(results).decode()
