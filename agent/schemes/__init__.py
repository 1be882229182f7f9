"""How each URL scheme is spoken: one module for each kind; agent.probe chooses."""
