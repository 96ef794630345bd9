"""`limits.connections_per_address_per_minute` with sockets: 421 beyond it, and room again a minute later."""

import time

from harness import Letter, case, check
from serve import LOCAL, Serve
from watching import from_outside
from wire import Closed, Wire

GROUP = "relay"
LIMIT = 6


class Paced:
    """Martlet with the limit, and the moment at which an address of its own had used all of it."""

    eager, calm = "127.0.7.1", "127.0.7.2"

    def __init__(self, bench):
        self.server = Serve(bench.martlet, bench.place("paced"), deliver="discard",
                            limits=f"limits: {{connections_per_address_per_minute: {LIMIT}}}")
        self.port = self.server.ports["relay"]
        self.welcomed = [self.greeting(self.eager) for _ in range(LIMIT)]
        self.used_up = time.monotonic()

    def greeting(self, source):
        with Wire(self.port, source=source) as wire:
            try:
                return wire.reply()
            except (Closed, ConnectionError) as end:
                return end

    def stop(self):
        self.server.stop()


def paced(bench):
    return bench.once("paced", lambda: Paced(bench))


@case("an address that begins more connections a minute than it may hears 421, and no other address does", GROUP)
def turned_away(bench):
    there = paced(bench)
    check(all(getattr(one, "code", 0) == 220 for one in there.welcomed), f"the first {LIMIT}: {there.welcomed}")
    for _ in range(3):
        reply = there.greeting(there.eager)
        check(getattr(reply, "code", 0) == 421 and reply.lines[0][4:].startswith("4.7.0 "), f"421 4.7.0, got {reply}")
    check(there.greeting(there.calm).code == 220, "another address was turned away too")
    from_outside(there.port, Letter(sender="eve@elsewhere.example", to=[f"bob@{LOCAL}"]), source=there.calm)
    told = [line for line in there.server.background.output().splitlines() if "session.address-limited" in line]
    check(len(told) == 1 and there.eager in told[0] and "connections" in told[0], f"one line a minute tells: {told}")
