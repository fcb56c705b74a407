"""From rows to months, and from months to statistics over windows."""
