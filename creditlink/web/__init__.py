"""The web application: parts joined, processes served, health told."""
