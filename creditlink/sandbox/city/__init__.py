"""The synthetic city: an economy whose truth is known, written as the records that offices would have."""

from creditlink.sandbox.city.folder import FolderRefused, FolderTaken
from creditlink.sandbox.city.write import GENERATOR_VERSION, write_city

__all__ = ["GENERATOR_VERSION", "FolderRefused", "FolderTaken", "write_city"]
