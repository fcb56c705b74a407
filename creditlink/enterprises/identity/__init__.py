"""How people of firms come to their sign-in, and back to it: links, recovery codes, invitations, proofs."""
