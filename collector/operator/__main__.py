"""python -m collector.operator: vantage."""

from collector.operator.main import main

main(prog_name="vantage")
