"""A simulated model: it reads a request, works out the answer with its own solvers, and is right at a documented rate.

Nothing here may import `fairlead.demo.jobs` or see a label (a test holds that): what the graders expect and what the
model answers come from two different hands. Everything a server of this package says is marked as simulated.
"""
