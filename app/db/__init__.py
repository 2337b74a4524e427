"""MongoDB, the only truth: every query and every status change is here."""
