"""Tests/Corpus/policy/published.json, published: Martlet and postfix-mta-sts-resolver read the same records and files
from the same servers, and each as the corpus says."""

import datetime
import json

from harness import PROJECT, case, check, run
from peers.nsd import Nsd
from peers.outward import Outward
from peers.certificates import Authority
from peers.policy_hosts import PythonServer
from peers.policy_world import need_port
from peers.ports import shared_port
from peers.sts_resolver import readings
from peers.unbound import Unbound

GROUP = "sts"
ZONE = "corpus.example"
SERVER, OUTWARD, RESOLVER = "127.0.9.10", "127.0.11.10", "127.0.53.2"


class Corpus:
    def __init__(self, bench):
        need_port()
        self.bench, self.stopping = bench, []
        self.rows = json.loads((PROJECT / "Tests/Corpus/policy/published.json").read_text())
        folder = bench.place("policy-corpus")
        authority = Authority(folder / "tls")
        try:
            self.nsd = Nsd(folder, {ZONE: self.zone(), "anchor.test": ""})
            anchor, _ = self.nsd.sign("anchor.test")
            self.stopping.append(self.nsd.start())
            self.unbound = Unbound(bench.place("corpus-unbound"), self.nsd.address, [ZONE], anchor, RESOLVER)
            self.stopping.append(self.unbound)
            hosts = {f"mta-sts.{self.domain(row)}": row for row in self.rows}
            self.stopping.append(PythonServer(
                SERVER, authority.issue(*hosts), {host: row["file"].encode() for host, row in hosts.items()},
                {host: typed(row["type"]) for host, row in hosts.items() if "type" in row}))
            self.martlet = Outward(bench.martlet, bench.place("corpus-reader"), self.nsd.address, anchor, OUTWARD,
                                   shared_port(), authority.ca, {}, {})
            self.stopping.append(self.martlet)
            self.ca = authority.ca
        except Exception:
            self.stop()
            raise

    @staticmethod
    def domain(row):
        return f"{row['name']}.{ZONE}"

    def zone(self):
        lines = ["mx IN A 127.0.9.11"]
        for row in self.rows:
            lines += [f"{row['name']} IN MX 10 mx", f"mta-sts.{row['name']} IN A {SERVER}"]
            for record in row["txt"]:
                strings = record if isinstance(record, list) else [record]
                lines.append(f"_mta-sts.{row['name']} IN TXT " + " ".join(f'"{text}"' for text in strings))
        return "\n".join(lines) + "\n"

    def read_by_martlet(self, row):
        """By `martlet policy refresh`: it asks the server, which asks the DNS and the policy host."""
        code, said = run([self.bench.martlet, "policy", "refresh", self.domain(row), "--config", self.martlet.config,
                          "--json"])
        if code == 0:
            found = json.loads(said)["policies"][0]
            begin, end = (datetime.datetime.fromisoformat(found[name]) for name in ("fetched_at", "expires_at"))
            age = round((end - begin).total_seconds())
            return " ".join([f"id={found['id']} {found['mode']} {age}", *found["mx"]])
        words = " ".join(said.split())
        if "announces no MTA-STS policy" in words:
            return "unannounced"
        check("the policy file is invalid: " in words, f"{row['name']}: {said}")
        return "refused"

    def read_by_explain(self, row):
        """By `martlet explain`, which asks for itself."""
        _, said = run([self.bench.martlet, "explain", self.domain(row), "--config", self.martlet.config, "--json"])
        found = json.loads(said).get("policy")
        if not found:
            return "unannounced"
        if "trouble" in found:
            check("the policy file is invalid: " in found["trouble"], f"{row['name']}: {said}")
            return "refused"
        return " ".join([f"id={found['id']} {found['mode']} {found['max_age_seconds']}", *found["mx"]])

    def stop(self):
        for one in reversed(self.stopping):
            one.stop()
        self.stopping = []


def typed(kind):
    """Serves under another Content-Type."""
    def serve(handler, text):
        handler.send_response(200)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text)
    return serve


def corpus(bench):
    return bench.once("policy-corpus", lambda: Corpus(bench))


def compare(published, expected, found):
    """Fails with every row that was read otherwise."""
    wrong = [f"{row['name']}: {expected(row)!r} was to be read, and {found[row['name']]!r} was"
             for row in published.rows if found[row["name"]] != expected(row)]
    check(not wrong, "\n".join(wrong))


@case("Martlet reads each record and policy of the corpus, published by nsd and an HTTPS server, as the corpus says",
      GROUP, ids=("STS-001", "STS-002", "STS-003", "STS-004", "STS-006", "STS-007", "STS-008", "STS-009", "STS-010"))
def by_martlet(bench):
    published = corpus(bench)
    compare(published, lambda row: row["martlet"], {row["name"]: published.read_by_martlet(row)
                                                    for row in published.rows})


@case("martlet explain finds the same record and policy of each as the server", GROUP, ids=("STS-003", "STS-008"))
def by_explain(bench):
    published = corpus(bench)
    compare(published, lambda row: row["martlet"], {row["name"]: published.read_by_explain(row)
                                                    for row in published.rows})


@case("postfix-mta-sts-resolver reads them the same way, but for those of which the corpus says who is right", GROUP,
      ids=("STS-002", "STS-003", "STS-004", "STS-007", "STS-008", "STS-009"))
def by_resolver(bench):
    published = corpus(bench)
    found = readings([published.domain(row) for row in published.rows], published.unbound, published.ca)
    compare(published, lambda row: row.get("other", row["martlet"]),
            {row["name"]: found[published.domain(row)] for row in published.rows})
    differing = sum("other" in row for row in published.rows)
    return f"{len(published.rows)} domains, {differing} read otherwise"
