"""Providers of identity in the sandbox: they believe whoever says who they are."""
