"""How monitors stand over their locations: votes -> standings -> verdicts -> incidents."""
