"""Domains with MTA-STS policies on other people's HTTPS servers, with Postfix for their mail hosts: one that proves its
name, one that nobody minds, and those that fall short, each in a way of its own. Martlet sends to them."""

import gzip
import os
import re
import time
from concurrent.futures import ThreadPoolExecutor

from harness import ARRIVAL_SECONDS, Failed, Missing, check, run
from peers.certificates import Authority
from peers.nsd import Nsd
from peers.outward import Outward
from peers.policy_hosts import Apache, Nginx, PythonServer, Site, cut_short, for_ever, kept_open, slowly, \
    until_the_end
from peers.ports import listening_at, shared_port
from peers.postfix import Postfix

ZONE = "sts.example"
NGINX, APACHE, PYTHON, FRAGILE = (f"127.0.9.{number}" for number in range(1, 5))
OUTWARD, HASTY, LASTING = "127.0.11.1", "127.0.11.2", "127.0.11.3"

# Mail hosts. `loose` has a self-signed certificate as `selfsigned` has, for domains that nothing is asked of.
PROVEN, LOOSE = "proven", "loose"
SHORT = ("selfsigned", "elsewhere", "expired", "clear", "old")
HOSTS = {name: f"127.0.10.{number + 1}" for number, name in enumerate((PROVEN, "other", LOOSE, *SHORT, "odd"))}
# RFC 8996: TLS 1.1 is no more. Postfix has to be asked for it, and so has its library.
OLD_TLS = ("  -o smtpd_tls_protocols=>=TLSv1,<=TLSv1.1\n  -o smtpd_tls_ciphers=medium\n"
           "  -o tls_medium_cipherlist=ALL:@SECLEVEL=0")


def need_port():
    if os.geteuid() != 0:
        raise Missing("policy hosts are on port 443, which needs root")


def host(name):
    return f"mx-{name}.{ZONE}"


def policy(mode="enforce", patterns=(), age=86_400, end="\n"):
    lines = ["version: STSv1", f"mode: {mode}", *(f"mx: {one}" for one in patterns), f"max_age: {age}"]
    return "".join(line + end for line in lines).encode()


# What is no policy: settings of nginx, and words of what Martlet says about it.
REFUSED = {
    "moved": ("return 301 https://mta-sts.nginx.sts.example/.well-known/mta-sts.txt;", "redirect (301"),
    "found": ("return 302 https://mta-sts.nginx.sts.example/.well-known/mta-sts.txt;", "redirect (302"),
    "html": ("types {} default_type text/html;", "text/html"),
    "missing": ("location / { return 404; }", "answers 404"),
    "broken": ("location / { return 503; }", "answers 503"),
    "compressed": ("gzip_static always;", "the answer is compressed"),
    "large": ("", "more than 65536 octets"),
    "misnamed": ("", "is not for mta-sts.misnamed.sts.example"),
    "outdated": ("", "out of date"),
    "selfmade": ("", "not trusted"),
}
# What is a policy all the same, and who serves it so.
ODD = {"crlf": APACHE, "chunked": APACHE, "old-http": APACHE, "kept-open": PYTHON, "until-the-end": PYTHON,
       "slow": PYTHON}
# Of the others: the mail host, the policy's mode and the hosts it lists, on Python's server.
DOMAINS = {
    **{f"short-{name}": (name, "enforce", [host(name)]) for name in SHORT},
    "unlisted": ("selfsigned", "enforce", [f"*.elsewhere.{ZONE}"]),
    "tested": (LOOSE, "testing", [host(LOOSE)]),
    "tested-unlisted": (LOOSE, "testing", [host(PROVEN)]),
    "leaving": ("other", "enforce", [host(PROVEN)]),
    "renewed": ("other", "enforce", [host(PROVEN)]),
    "late": ("other", "enforce", [host(PROVEN)]),
    "too-late": ("other", "enforce", [host(PROVEN)]),
    "lost": ("other", "enforce", [host(PROVEN)]),
    "cut-short": (LOOSE, "enforce", [host(PROVEN)]),
    "endless": (LOOSE, "enforce", [host(PROVEN)]),
    "wild": (PROVEN, "enforce", [f"*.{ZONE}"]),
}


class Sender(Outward):
    """Martlet with an account of time of its own: what waits for a policy's sake is given up after `patience`."""

    def __init__(self, *given, patience=None):
        self.patience = patience
        super().__init__(*given)

    def settings(self, *given):
        text = super().settings(*given)
        if not self.patience:
            return text
        return text.replace("queue: {retry: [1s, 1s, 2s], give_up_after: 1h}",
                            f"queue: {{retry: [1s], give_up_after: {self.patience}s}}")


class PolicyWorld:
    def __init__(self, bench):
        need_port()
        self.bench, self.port = bench, shared_port()
        self.folder = bench.place("policy-world")
        self.authority = Authority(self.folder / "tls")
        self.stopping = []
        self.records = {}
        try:
            self.start()
        except Exception:
            self.stop()
            raise

    def start(self):
        self.name_hosts()
        self.nsd = Nsd(self.folder, {ZONE: self.zone(), "anchor.test": ""})
        self.anchors, _ = self.nsd.sign("anchor.test")
        self.nsd.start()
        self.stopping.append(self.nsd)
        self.start_policy_hosts()
        with ThreadPoolExecutor(max_workers=4) as pool:
            begun = {"postfix": pool.submit(self.start_postfix),
                     "martlet": pool.submit(self.start_martlet, "policy-sender", OUTWARD),
                     "hasty": pool.submit(self.start_martlet, "hasty-sender", HASTY, 60),
                     "lasting": pool.submit(self.start_martlet, "lasting-sender", LASTING)}
        for name, future in begun.items():
            if future.exception() is None:
                setattr(self, name, future.result())
                self.stopping.append(future.result())
        for future in begun.values():
            future.result()

    # The DNS

    def name_hosts(self):
        """Where each domain's policy is, and its mail."""
        self.policy_at = {name: NGINX for name in ("nginx", *REFUSED)} | {"apache": APACHE} | ODD
        self.policy_at |= {name: PYTHON for name in DOMAINS} | {"lost": FRAGILE}
        self.mail_at = {name: PROVEN for name in ("nginx", "apache")} | {name: LOOSE for name in REFUSED}
        self.mail_at |= {name: "odd" for name in ODD} | {name: given[0] for name, given in DOMAINS.items()}
        self.ids = {name: "20261122T1145" for name in self.policy_at}

    def zone(self):
        lines = [f"{host(name)}. IN A {address}" for name, address in HOSTS.items()]
        for name, address in self.policy_at.items():
            # What changes while a case looks on isn't remembered by anybody.
            lines += [f"{name} 0 IN MX 10 {host(self.mail_at[name])}.", f"mta-sts.{name} 0 IN A {address}"]
            if self.ids[name]:
                lines.append(f'_mta-sts.{name} 0 IN TXT "v=STSv1; id={self.ids[name]};"')
        return "\n".join(lines) + "\n"

    def publish(self, name, **changed):
        """Changes a domain's `id`, None for no record, or its `mail` host, and waits until the name server says so."""
        if "id" in changed:
            self.ids[name] = changed["id"]
        if "mail" in changed:
            self.mail_at[name] = changed["mail"]
        self.nsd.rewrite(ZONE, self.zone())
        until = time.monotonic() + ARRIVAL_SECONDS
        wanted = {"txt": f"id={self.ids[name]};" if self.ids[name] else None, "mx": host(self.mail_at[name])}
        for kind, words in wanted.items():
            place = f"_mta-sts.{name}.{ZONE}" if kind == "txt" else f"{name}.{ZONE}"
            while True:
                _, said = run([self.bench.martlet, "dns", place, "--type", kind, "--server", self.nsd.address,
                               "--trust-anchors", self.anchors, "--json"])
                if (words in said) if words else ("id=" not in said):
                    break
                check(time.monotonic() < until, f"the name server doesn't say {words}: {said}")
                time.sleep(0.05)

    # The servers

    def start_policy_hosts(self):
        right = policy(patterns=[host(PROVEN)])

        def names(at, *others):
            return [f"mta-sts.{name}.{ZONE}" for name, place in self.policy_at.items() if place in (at, *others)]

        shared = self.authority.issue(*names(NGINX))
        pairs = {"misnamed": self.authority.issue(f"mta-sts.elsewhere.{ZONE}"),
                 "outdated": self.authority.issue(f"mta-sts.outdated.{ZONE}", days=-1),
                 "selfmade": self.authority.self_signed(f"mta-sts.selfmade.{ZONE}")}
        sites = [Site(f"mta-sts.nginx.{ZONE}", shared, right)]
        for name, (settings, _) in REFUSED.items():
            text = policy(patterns=[host(PROVEN)])
            site = Site(f"mta-sts.{name}.{ZONE}", pairs.get(name, shared), text, settings)
            if name == "large":
                site.text += (b"comment: " + b"x" * 90 + b"\n") * 700
            if name == "compressed":
                site.text, site.file = gzip.compress(text), "mta-sts.txt.gz"
            sites.append(site)
        self.nginx = Nginx(self.bench.place("nginx"), NGINX, sites)
        self.stopping.append(self.nginx)

        strict = policy(patterns=[host("odd")])
        shared = self.authority.issue(*names(APACHE))
        self.apache = Apache(self.bench.place("apache"), APACHE, [
            Site(f"mta-sts.apache.{ZONE}", shared, right),
            Site(f"mta-sts.crlf.{ZONE}", shared, strict.replace(b"\n", b"\r\n")),
            # What a filter makes has no length that is known before.
            Site(f"mta-sts.chunked.{ZONE}", shared, strict, "Options +Includes\nSetOutputFilter INCLUDES"),
            Site(f"mta-sts.old-http.{ZONE}", shared, strict,
                 "SetEnvIf Request_URI . downgrade-1.0 force-response-1.0"),
        ])
        self.stopping.append(self.apache)

        texts = {f"mta-sts.{name}.{ZONE}": policy(mode, patterns) for name, (_, mode, patterns) in DOMAINS.items()}
        texts |= {f"mta-sts.{name}.{ZONE}": strict for name, place in ODD.items() if place == PYTHON}
        conducts = {"kept-open": kept_open, "until-the-end": until_the_end, "slow": slowly, "endless": for_ever,
                    "cut-short": cut_short}
        self.python = PythonServer(PYTHON, self.authority.issue(*names(PYTHON)), texts,
                                   {f"mta-sts.{name}.{ZONE}": conduct for name, conduct in conducts.items()})
        self.stopping.append(self.python)
        self.fragile = PythonServer(FRAGILE, self.authority.issue(*names(FRAGILE)),
                                    {f"mta-sts.lost.{ZONE}": policy(patterns=[host(PROVEN)])})
        self.stopping.append(self.fragile)

    def start_martlet(self, name, address, patience=None):
        return Sender(self.bench.martlet, self.bench.place(name), self.nsd.address, self.anchors, address, self.port,
                      self.authority.ca, {}, {}, patience=patience)

    def start_postfix(self):
        authority = self.authority.branch(self.folder / "mail-hosts")
        pairs = {"elsewhere": authority.issue(f"elsewhere.{ZONE}"), "clear": None,
                 "expired": authority.issue(host("expired"), days=-1)}
        pairs |= {name: authority.self_signed(host(name)) for name in (LOOSE, "selfsigned", "odd")}
        services = []
        for name, address in HOSTS.items():
            pair = pairs[name] if name in pairs else authority.issue(host(name))
            services.append(f"{address}:{self.port} inet n - n - - smtpd\n  -o syslog_name=at-{name}")
            services.append(f"  -o smtpd_tls_cert_file={pair[0]}\n  -o smtpd_tls_key_file={pair[1]}"
                            if pair else "  -o smtpd_tls_security_level=none")
            if name == "old":
                services.append(OLD_TLS)
        postfix = Postfix(
            self.bench.place("postfix-policy"), plain=True, services="\n".join(services) + "\n",
            amended={"myhostname": "postfix.example", "smtpd_tls_loglevel": "1", "smtpd_peername_lookup": "no",
                     "virtual_mailbox_domains": " ".join(f"{name}.{ZONE}" for name in self.mail_at)})
        if not listening_at([(address, self.port) for address in HOSTS.values()]):
            postfix.stop()
            raise Failed("Postfix does not listen:\n" + postfix.log())
        return postfix

    # What was heard

    def heard(self, name):
        """The lines of Postfix's log about a mail host."""
        log = (self.postfix.folder / "postfix.log").read_text("utf-8", "replace")
        return [line for line in log.splitlines() if f" at-{name}/" in line]

    def hears_no_envelope(self, name):
        """By Postfix's own count of the commands of each session with the mail host, once all are over: in clear or not,
        none was about mail. At least one session there was."""
        until = time.monotonic() + ARRIVAL_SECONDS
        while True:
            lines = self.heard(name)
            begun, ended = (sum(f": {word} from " in line for line in lines) for word in ("connect", "disconnect"))
            # One is that of whoever waited for it to listen.
            if begun == ended and begun > 1:
                break
            check(time.monotonic() < until, f"{begun} sessions with {name}, {ended} over:\n" + "\n".join(lines[-10:]))
            time.sleep(0.05)
        said = [line for line in lines if re.search(r"\b(mail|rcpt|data|bdat)=", line)]
        check(not said, f"{name} heard of mail:\n" + "\n".join(said))

    def stop(self):
        for one in reversed(self.stopping):
            one.stop()
        self.stopping = []


def policy_world(bench):
    return bench.once("policy-world", lambda: PolicyWorld(bench))
