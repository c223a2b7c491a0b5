"""How the page writes figures and strangers' words."""

import pytest

from transforms.report_words import breakable, clock, compact, count, duration, figure, percent, share, shown, size


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        (count(1234567), "1,234,567"), (breakable("a_b"), "a_<wbr>b"), (breakable("<_>"), "&lt;_<wbr>&gt;"),
        (compact(950), "950"), (compact(1234), "1.2k"),
        (compact(99_960), "100k"), (compact(3_400_000), "3.4M"),
        (compact(999_600), "1.0M"), (compact(2_000_000_000), "2.0G"),
        (share(1, 8), "12.5 %"), (share(0, 8), "0.0 %"), (share(1, 1_000_000), "< 0.1 %"),
        (share(1, 0), "–"),
        (percent(1, 3), "33.33%"), (percent(5, 3), "100.00%"), (percent(-1, 3), "0.00%"), (percent(1, 0), "0.00%"),
        (clock(7), "0:07"), (clock(7.53), "0:07.5"), (clock(0), "0:00"), (clock(205.4), "3:25"),
        (clock(59.97), "1:00"), (clock(6.98), "0:07"),
        (clock(3723), "1:02:03"), (clock(36000), "10:00:00"),
        (duration(0.421), "0.42 s"), (duration(12.34), "12.3 s"), (duration(245), "4 min 05 s"),
        (duration(7380), "2 h 03 min"),
        (size(512), "512 B"), (size(3400), "3.4 kB"), (size(250_000), "250 kB"), (size(1.2e9), "1.2 GB"),
        (size(5e12), "5.0 TB"),
        (shown("plain"), "plain"), (shown("a\u202eb\x00c\nd"), "a\ufffdb\ufffdc\ufffdd"),
        (shown("x" * 400), "x" * 299 + "…"),
        (shown("می\u200cخواهم 👩\u200d🎤"), "می\u200cخواهم 👩\u200d🎤"), (shown("x" * 400, 1000), "x" * 400),
        (figure(None, {"limit": 0.1, "value": None}), "–"), (figure(0.25, {"limit": 0.1, "value": 0.25}), "25.0 %"),
        (figure(1234, {"limit": 1, "value": 1234}), "1,234"),
        (figure(250.5, {"limit": 300.0, "value": 250.5}), "250.5"),
        (figure(0, {"limit": 0, "value": 0}), "0"),
    ],
)  # fmt: skip
def test_written(written, wanted):
    assert written == wanted
