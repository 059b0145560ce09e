"""HTTP to providers and local servers: one endpoint, its connections, its limits, its retries."""
