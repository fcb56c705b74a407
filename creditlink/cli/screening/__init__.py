"""Commands that screen a whole city, or a folder of invoices."""
