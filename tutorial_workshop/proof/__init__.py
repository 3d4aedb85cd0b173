"""The audit audited: worlds with injected harms, and whether each is found."""
