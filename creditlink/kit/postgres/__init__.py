"""PostgreSQL: transactions, roles, migrations, the embedded server, and what its errors mean."""
