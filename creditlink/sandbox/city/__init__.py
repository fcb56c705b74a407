"""The synthetic city: an economy whose truth is known, written as the records that offices would hold."""

from creditlink.sandbox.city.write import write_city

__all__ = ["write_city"]
