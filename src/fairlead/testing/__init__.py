"""What Fairlead is tested with, for those who write graders, sources or clients: fakes written by hand, and real servers.

`memory` is a ledger without a file, `virtual` a clock without waiting, `recorded` a real HTTP server of recorded
answers, `faults` the ways in which it can misbehave.
"""
