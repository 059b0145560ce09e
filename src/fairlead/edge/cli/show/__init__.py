"""How records look in a terminal: tables a finance lead can read, plain text when the output is a file.

A command imports the part that it shows things with: each brings what it needs to understand its records.
"""
