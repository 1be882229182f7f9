"""How soon an outage is an incident and a mail, and how often one is told that was none.

python -m bench.telling month          a simulated month, on the judge itself
python -m bench.telling slower         months of response times, on what is slower than usual
python -m bench.telling live           1,000 monitors x 10 locations, over a real database
python -m bench.telling killed         outages while collectors and notifiers are killed
"""

from __future__ import annotations

import click

from bench.telling.killed import killed
from bench.telling.live import live
from bench.telling.month import month
from bench.telling.slower import slower


@click.group(context_settings={"show_default": True})
def main() -> None:
    """Time to incident and mail, false incidents, missed ones."""


main.add_command(month)
main.add_command(slower)
main.add_command(live)
main.add_command(killed)

if __name__ == "__main__":
    main()
