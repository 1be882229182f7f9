"""The agent: probes its assigned monitors on schedule and delivers every result."""

import os

# Before gRPC is imported: unless told so it writes of each handshake that fails, between the lines
# of JSON in the log, and above what people asked for.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
