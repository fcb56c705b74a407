"""The firm's page of credit reports: made, handed out as files, revoked, and how often they were verified."""
