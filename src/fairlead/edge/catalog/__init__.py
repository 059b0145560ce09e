"""Dated prices as data: what ships with Fairlead, what the user adds, and the borrowed list they rule over."""
