"""Intervals and tests of the audit, which keep their level on small and skewed samples."""
