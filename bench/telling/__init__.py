"""Telling, simulated and live: how soon, how often wrongly."""
