"""What pace.py has begun: most of the minute is over when this, the last of the group, is reached."""

import time

from harness import Letter, case, check
from pace import GROUP, paced
from serve import LOCAL
from watching import from_outside

# A window of 60 seconds, in steps of five.
WINDOW_SECONDS = 66


@case("an address that was turned away is welcome again a minute after its last welcome", GROUP)
def recovered(bench):
    there = paced(bench)
    until = there.used_up + WINDOW_SECONDS
    while True:
        reply = there.greeting(there.eager)
        if getattr(reply, "code", 0) == 220:
            break
        check(time.monotonic() < until, f"still turned away after {WINDOW_SECONDS} s: {reply}")
        # Those who knock are not counted, else nobody would ever come in again.
        time.sleep(1)
    from_outside(there.port, Letter(sender="eve@elsewhere.example", to=[f"bob@{LOCAL}"]), source=there.eager)
