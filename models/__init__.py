"""The science: taxonomy, audio decoding, front end, network, calibration, decision rule. Nothing imports Beam."""
