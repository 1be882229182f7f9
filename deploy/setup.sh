#!/bin/sh
# Run by deploy/compose.yaml in the collector's image, before the agents start: makes the account
# and the locations where they are missing, and an invitation for each location's agent, LOCATION.token
# in the working directory. An agent that has joined before has no use for it, and it expires.
set -eu
umask 077
PGPASSWORD=$(cat /run/secrets/collector-password)
export PGPASSWORD

has() { # KIND NAME
    vantage "$1" list --json | grep -q "\"name\": \"$2\""
}

if ! has account "$ACCOUNT"; then
    vantage account add "$ACCOUNT" --email "$EMAIL" \
        --password-file /run/secrets/sign-in-password
fi
for location in $LOCATIONS; do
    has location "$location" || vantage location add "$location"
    vantage agent token --location "$location" > "$location.token"
done
