"""An agent with the fault that no agent may have: its numbers begin at 1 again at every start,
under the same incarnation.
"""

from __future__ import annotations

import hashlib

import agent.process
from agent.cli import main
from agent.incarnation import Incarnation
from agent.spool import Spool


class ReusingSpool(Spool):
    def _new_incarnation(self, *, may_be_stored: bool = False) -> Incarnation:
        new = super()._new_incarnation(may_be_stored=may_be_stored)
        identity = hashlib.md5(str(self._directory).encode()).digest()
        name = new.directory.name.partition("-")[0] + "-" + identity.hex()
        return Incarnation(new.directory.with_name(name), identity)


if __name__ == "__main__":
    agent.process.Spool = ReusingSpool  # type: ignore[attr-defined]
    main(prog_name="vantage-agent")
