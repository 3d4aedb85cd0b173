"""The audit audited: worlds with planted harms, and whether each is found."""
