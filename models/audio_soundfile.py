"""The second decoder: libsndfile, asked before a file is declared unreadable."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, Final

from models.audio_pyav import NotReadableError, SeekError
from models.audio_resampling import RATES_HZ, Block, ChannelBalance

_BLOCK_SAMPLES: Final = 16_384
#: libsndfile gives this for a length that it cannot know.
_UNKNOWN_FRAMES: Final = 1 << 62


class SoundfileTrack:
    """The audio of one file, read by libsndfile; attributes as in :class:`models.audio_pyav.PyavTrack`."""

    name = "libsndfile"

    def __init__(self, path: str) -> None:
        self._path = path
        self.balance = ChannelBalance()
        self.damaged_packets = 0
        self.cut = self.mostly_junk = False
        with self._open() as sound:
            frames, rate_hz = sound.frames, sound.samplerate
        if not RATES_HZ[0] <= rate_hz <= RATES_HZ[1]:
            raise NotReadableError(f"it states a sample rate of {rate_hz} Hz")
        self.likely_duration_s = frames / rate_hz if 0 < frames < _UNKNOWN_FRAMES else None
        self.stated_duration_s = self.likely_duration_s

    def _open(self) -> Any:
        import soundfile  # not needed by the many files that libav reads

        # An open file and no path: libsndfile looks for companions of some formats by name.
        descriptor = os.open(self._path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        try:
            return soundfile.SoundFile(descriptor, closefd=True)
        except MemoryError:
            raise
        except Exception as error:
            raise NotReadableError(_reason_of(error)) from None

    def blocks(self) -> Iterator[Block]:
        """Give all samples, straight through, from the start; it ends where libsndfile gives an error."""
        self.damaged_packets = 0
        with self._open() as sound:
            while True:
                try:
                    samples = sound.read(_BLOCK_SAMPLES, dtype="float32", always_2d=True)
                except MemoryError:
                    raise
                except Exception:
                    self.damaged_packets += 1
                    return
                if not len(samples):
                    return
                mean = samples.mean(axis=1, dtype="float32")
                if samples.shape[1] > 1:
                    self.balance.observe(samples, mean)
                yield Block(sound.samplerate, mean)

    def close(self) -> None:
        """Nothing is left open."""

    def open_for_seeking(self) -> Any:
        """Refuse: the few files that come here are read straight through."""
        raise SeekError("not with this decoder")


def _reason_of(error: Exception) -> str:
    reason = str(getattr(error, "error_string", "") or type(error).__name__).rstrip(".")
    # What it says of a file that looks like MP3 and is not; ours is open, so it does exist.
    return "Format not recognised" if reason.startswith("File does not exist") else reason
