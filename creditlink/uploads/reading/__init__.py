"""From a file in one of the tax platform's layouts to facts; rows that do not read are named, the rest are taken."""
