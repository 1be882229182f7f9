"""The version of this program; a test holds it against the distribution's.

Asking the distribution itself takes 3 MB of memory, for what reads mail among others.
"""

VERSION = "0.1.0"
