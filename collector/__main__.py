"""python -m collector: vantage-collector."""

from collector.cli import main

main(prog_name="vantage-collector")
