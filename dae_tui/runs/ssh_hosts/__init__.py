"""Runs on other hosts, read through the user's own `ssh` into a folder of the cache.

Nothing is installed there: a POSIX shell, find, stat, tar, tail, head and date are enough. No
answer of a host is trusted: names, sizes and contents are checked before they are kept.
"""
