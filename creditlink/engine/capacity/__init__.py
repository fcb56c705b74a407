"""What a firm can bear: its cash, its debt, and the loan that this carries. Apart from the score."""
