"""One measure per file: each looks for one harm in the evidence."""
