#!/usr/bin/env python3
"""Real mail clients and real next hops against the `martlet` binary.

Each case has a sentence for a name. The last line says how many passed, failed and were skipped; the exit code is 1
when one failed. A peer that is not installed, or data that can't be fetched, is a skip, and in CI (CI=true) a failure;
the skips and the failures are named once more at the end, with what they want and what they say.
"""

import argparse
import re
import signal
import sys
import time
import traceback

import harness
import clients  # noqa: F401  (each of these registers its cases)
import refusals  # noqa: F401
import hygiene  # noqa: F401
import stopping  # noqa: F401
import next_hops  # noqa: F401
import previous_hops  # noqa: F401
import relaying_servers  # noqa: F401
import mail_exchangers  # noqa: F401
import pace  # noqa: F401
import inquiries  # noqa: F401
import tickets  # noqa: F401
import silence  # noqa: F401
import traces  # noqa: F401
import watching  # noqa: F401
import wishes  # noqa: F401
import recovery  # noqa: F401
import reloads  # noqa: F401
import names  # noqa: F401
import dane  # noqa: F401
import policies  # noqa: F401
import dane_states  # noqa: F401
import published_policies  # noqa: F401
import policy_corpus  # noqa: F401
import spf_suite  # noqa: F401
import signatures  # noqa: F401
import published_signatures  # noqa: F401
import authentication  # noqa: F401
import signing_memory  # noqa: F401
import filters  # noqa: F401
import signed_relay  # noqa: F401
import callers  # noqa: F401
import durability  # noqa: F401
import crowds  # noqa: F401

GROUPS = ("clients", "refusals", "hops", "relay", "reloads", "dns", "dane", "policy", "sts", "auth", "callers", "durability", "long")
EVERYDAY = GROUPS[:-1]
# Lines of a failure that the end of a run repeats, its last ones; all are at its case.
REPEATED_LINES = 12


def perform(case, bench):
    """Runs one case and gives its mark and what there is to say, of a passed one the figures it returns."""
    started = time.monotonic()
    try:
        mark, words = "passed", case.body(bench) or ""
    except harness.Missing as missing:
        mark, words = ("failed" if harness.IN_CI else "skipped"), str(missing)
    except harness.Failed as failure:
        mark, words = "failed", str(failure)
    except Exception:  # A client that raises is a case that failed; its trace says where.
        mark, words = "failed", traceback.format_exc(limit=-6)
    return mark, words, time.monotonic() - started


def tell(title, cases_by_words):
    """Names cases under what they say. What several say at once, for a peer they share is missing, is said once."""
    if cases_by_words:
        print(f"\n{title}")
    for words, labels in cases_by_words.items():
        for label in labels:
            print(f"  – {label}")
        for line in words.splitlines()[-REPEATED_LINES:]:
            print(f"      {line}")


def main():
    # Whoever is started in the background by a shell has Ctrl-C ignored, and so would all that he starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--martlet", default=str(harness.PROJECT / ".build/debug/martlet"), help="the binary to test")
    parser.add_argument("--group", action="append", choices=GROUPS, help=f"default: {', '.join(EVERYDAY)}")
    parser.add_argument("--only", metavar="PATTERN", help="cases whose name matches this regular expression")
    parser.add_argument("--list", action="store_true", help="print the names of the cases and stop")
    parser.add_argument("--keep", action="store_true", help="leave the folders of the run behind")
    options = parser.parse_args()

    groups = options.group or (GROUPS if options.list else EVERYDAY)
    chosen = [case for case in harness.CASES if case.group in groups]
    if options.only:
        chosen = [case for case in chosen if re.search(options.only, case.name)]
    if options.list:
        for case in chosen:
            print(case.label())
        return 0

    bench = harness.Bench(options.martlet, options.keep)
    if not bench.martlet.exists():
        sys.exit(f"{bench.martlet} is not there: build it with `swift build --product martlet`")
    count = {"passed": 0, "failed": 0, "skipped": 0}
    group, lacking = None, {"failed": {}, "skipped": {}}
    try:
        for case in chosen:
            if case.group != group:
                group = case.group
                print(f"\n{group}")
            mark, words, seconds = perform(case, bench)
            count[mark] += 1
            if mark in lacking:
                lacking[mark].setdefault(words, []).append(case.label())
            sign = {"passed": "✔", "failed": "✘", "skipped": "–"}[mark]
            print(f"  {sign} {case.label():<100} {seconds:6.2f} s", flush=True)
            for line in words.splitlines():
                print(f"      {line}", flush=True)
            if mark == "failed" and bench.server is not None:
                for line in bench.server.log().splitlines():
                    print(f"      | {line}")
    finally:
        orderly = bench.close()
    if not orderly:
        count["failed"] += 1
        lacking["failed"]["It was still there after its time, and was killed."] = ["martlet dev ends when asked to"]
    tell("Not proven by this run, because of what is missing here:", lacking["skipped"])
    tell("Failed:", lacking["failed"])
    print(f"\n{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
    return 1 if count["failed"] or not count["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
