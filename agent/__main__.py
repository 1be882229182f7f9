"""`python -m agent`: the same as `vantage-agent`."""

from agent.cli import main

main(prog_name="vantage-agent")
