"""xhat."""
