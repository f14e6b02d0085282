"""What runs any study: its protocol as a record, its cells on disk, its answer and its page."""
