"""What can be done about a harm, and what it costs in quality."""
