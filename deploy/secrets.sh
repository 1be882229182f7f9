#!/bin/sh
# Makes the passwords that deploy/compose.yaml mounts, in deploy/secrets or the directory named.
# Those that exist stay as they are.
set -eu
directory=${1:-$(dirname "$0")/secrets}
# Nobody else may enter the directory; the containers' own user must read the files in it.
mkdir -p "$directory"
chmod 0700 "$directory"
for name in database collector dashboard reader sign-in grafana; do
    file=$directory/$name-password
    if [ ! -s "$file" ]; then
        od -An -N16 -tx1 /dev/urandom | tr -d ' \n' > "$file.new"
        chmod 0444 "$file.new"
        mv "$file.new" "$file"
    fi
done
echo "The passwords are in $directory."
