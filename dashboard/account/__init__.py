"""The pages about people: how they come in, and what they change about themselves."""
