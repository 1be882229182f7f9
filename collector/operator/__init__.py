"""vantage: the operator's tool. Runs everything on one machine, and says what is measured."""
