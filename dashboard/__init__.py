"""The report centre: what customers see of their monitors."""
