"""A firm decides: on what a bank asks, on the page where its bank sent it or in the inbox; and takes it back."""
