"""Readers of logs: files, folders and standard input, line by line, in flat memory."""
