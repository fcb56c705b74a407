"""What the operator watches and mends: work that failed."""
