"""A firm objects to one access to its data: the bank answers with a reason, and the operator decides where it must."""
