"""The gateway's control process: keeps what the data planes saw, asks shadows, watches, decides, and tells them what holds now."""
