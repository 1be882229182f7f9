"""One dataclass per shape of row that the statements of sql/*.sql give back."""
