"""Audits of a system that cannot be called: from a log of the lists that it showed."""
