#!/bin/sh
# Makes dist/vantage-agent.tar: the agent with all it needs besides Python, and its unit, to be
# unpacked in /opt on machines with this one's processor and Python. They need no package index.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}
version=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p dist "$work/source" "$work/vantage/bin"
cp -r pyproject.toml hatch_build.py README.md proto agent "$work/source"
pip() { "$python" -m pip "$@" --quiet --disable-pip-version-check; }
pip wheel --no-deps --wheel-dir "$work" "$work/source"
pip install --target "$work/vantage/lib" --no-deps --require-hashes --only-binary :all: \
    --requirement requirements/agent.lock
rm -rf "$work/vantage/lib/bin"
pip install --target "$work/vantage/lib" --no-deps --no-index "$work"/*.whl
rm -rf "$work/vantage/lib/bin"
cp deploy/systemd/vantage-agent.service "$work/vantage"
cat > "$work/vantage/bin/vantage-agent" <<EOF
#!/bin/sh
# Runs the agent with the packages beside it, which are for this Python.
command -v $version > /dev/null || { echo "Error: This agent needs $version: install it, or make the bundle with another." >&2; exit 1; }
PYTHONPATH=\$(dirname "\$(dirname "\$(readlink -f "\$0")")")/lib
export PYTHONPATH
exec $version -P -m agent "\$@"
EOF
chmod 0755 "$work/vantage/bin/vantage-agent"
# Whatever it needs is there, and nothing of this machine's environment is.
env -i PATH="$PATH" PYTHONPATH="$work/vantage/lib" "$version" -P -c 'import agent.process'
env -i PATH="$PATH" "$work/vantage/bin/vantage-agent" --version
tar --create --file dist/vantage-agent.tar --owner 0 --group 0 --directory "$work" vantage
echo "dist/vantage-agent.tar: $(($(wc -c < dist/vantage-agent.tar) / 1000000)) MB, for $version on $(uname -m)"
