"""Packages of a Debian release, used without apt, dpkg or root.

Read the release's signed index from a mirror (``mirror``, ``signature``, ``index``), choose the
packages that a program needs (``closure``), unpack them into a folder (``archive``). Nothing here
knows what the packages are for, or runs what it unpacked.
"""
