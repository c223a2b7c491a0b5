"""Beam transforms, one file per stage of the data's way. This file imports nothing, so that the decoder child starts fast."""
