"""Beam transforms, one file per stage of the data's way. Imports nothing, so that the decoder child starts fast."""
