"""The collector: stores every result exactly once, and the operator's tool."""
