"""Break it on purpose, with a guaranteed undo.

    with shop.fault("orders", latency="300ms", jitter="50ms", caller="gateway"):
        ...

What is broken is written down on the engine before it is broken, so that whatever happens to this kernel, the next call mends it.

    fault.py       what can be asked for, and the block that begins and ends it
    journal.py     written down on the engine; found again; whose was it
    network.py     latency, bandwidth, resets, silence, partitions: by a helper in the callee's network namespace
    machine.py     stop, kill, pause, cpu, memory, a full disk
    schedule.py    several of them over time: seeded, replayable, printable
"""

from servicelab.faults.fault import EDGE, Active, Fault, active, mend, recover
from servicelab.faults.network import TOOLS
from servicelab.faults.schedule import Entry, Schedule

__all__ = ["EDGE", "TOOLS", "Active", "Entry", "Fault", "Schedule", "active", "mend", "recover"]
