"""Notices to people: the site's inbox, e-mail, text messages and WeChat. Nothing sensitive is in any of them."""
