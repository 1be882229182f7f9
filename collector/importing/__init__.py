"""What other monitors are configured to watch, as files that vantage apply takes."""
