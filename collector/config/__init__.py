"""Configuration as code: files that say what is watched, compared with the database and applied."""
