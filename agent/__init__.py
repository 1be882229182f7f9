"""The agent: probes its assigned monitors on schedule and delivers every result."""
