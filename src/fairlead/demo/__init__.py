"""A sample organisation and two simulated endpoints, so that the whole flow runs offline.

Three parts that know as little of each other as the real things do:

* `jobs` and `organisation` write a month of logs, a labels file and a grader file. They know every right answer,
  because they made the tasks up.
* `simulated` is a model behind HTTP. It works the answer out from the request's text with its own solvers, then answers
  right or wrong at a documented rate. It never sees the labels.
* `truth` knows which job an exchange really belonged to and the true rates. It is read once, after everything is
  decided, for the last column of the last table.
"""
