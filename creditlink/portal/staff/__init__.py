"""The pages of the platform's own staff: invitation, sign-in, desk."""
