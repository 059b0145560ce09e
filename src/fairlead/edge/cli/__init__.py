"""The commands, one file each: read flags, call the app, print."""
