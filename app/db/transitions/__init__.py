"""Every status change, as pure builders of one conditional update each.

A builder returns a `Change`; the executors in `app.db.collections` run it. Zero matched means
"not mine, stop". No builder reads a clock or a database: times are given, by the server's clock.
"""
