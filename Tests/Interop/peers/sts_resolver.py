"""postfix-mta-sts-resolver, unpacked in .build-peers: what it reads of a domain's record and policy file."""

import json
import subprocess

from harness import CLIENT_SECONDS, PEERS, Failed, program
from peers.unpacked import library_path, unpack

PACKAGE = "postfix-mta-sts-resolver"
# Debian's modules are for Debian's Python.
PYTHON = "/usr/bin/python3"

READER = """
import asyncio, json, sys
from postfix_mta_sts_resolver.resolver import STSFetchResult, STSResolver

async def main():
    resolver = STSResolver(timeout=10, loop=asyncio.get_running_loop())
    for domain in sys.stdin.read().split():
        result, found = await resolver.resolve(domain)
        print(json.dumps([domain, result.name, found]), flush=True)

asyncio.run(main())
"""


def readings(domains, unbound, ca):
    """By domain, as Tests/Corpus/policy/published.json writes it. `unbound` answers its questions, `ca` is believed."""
    program(PYTHON, "python3")
    root = unpack(PACKAGE, PEERS / PACKAGE)
    environment = {"PYTHONPATH": str(root / "usr/lib/python3/dist-packages"), "LD_LIBRARY_PATH": library_path(root),
                   "SSL_CERT_FILE": str(ca), "PATH": "/usr/bin:/bin:/usr/sbin"}
    done = subprocess.run([*unbound.under, PYTHON, "-c", READER], input="\n".join(domains), capture_output=True,
                          text=True, timeout=CLIENT_SECONDS, env=environment)
    if done.returncode != 0:
        raise Failed(f"{PACKAGE} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return {domain: reading(result, found)
            for domain, result, found in map(json.loads, done.stdout.splitlines())}


def reading(result, found):
    if result != "VALID":
        return {"NONE": "unannounced", "FETCH_ERROR": "refused"}[result]
    record_id, policy = found
    return " ".join([f"id={record_id} {policy['mode']} {policy['max_age']}", *policy["mx"]])
