"""An open model in parallel with the incumbent: which requests, in what order, until when, and what came of it."""
