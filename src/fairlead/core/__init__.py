"""Nouns and rules. Nothing in here touches a clock, a file, a socket or chance."""
