"""What people are told: queue -> wording -> channel, each message once."""
