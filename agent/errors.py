"""The agent's own exceptions. A target's failure is none of them: that is data."""


class AgentError(Exception):
    """Something an operator can put right; the message names the thing, the value, the remedy."""


class TransientError(AgentError):
    """Worth trying again after a pause: the collector is away, the network is down."""


class FatalError(AgentError):
    """Trying again cannot help: stop the process, non-zero."""


def reason(error: Exception) -> str:
    """Say why a file cannot be used, without naming it once more as an OSError does."""
    if isinstance(error, UnicodeDecodeError):
        return "it is no text in UTF-8"
    return (isinstance(error, OSError) and error.strerror) or str(error)
